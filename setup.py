"""All else is in setup.cfg; here is what a built server needs besides its packages: its pages."""

import json
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

_HERE = Path(__file__).parent


class BuildWithPages(build_py):
    """Pages, client kit and the browser's packages come to lie as they lie here."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        browsers = json.loads((_HERE / "package.json").read_text())["dependencies"]
        packages = [f"node_modules/{name}" for name in browsers]
        for folder in ("server/pages", "clients/javascript", *packages):
            if not (_HERE / folder).is_dir():
                raise SystemExit(f"{folder} is missing: run `npm ci` before you build.")
            shutil.copytree(_HERE / folder, Path(self.build_lib, folder), dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithPages})
