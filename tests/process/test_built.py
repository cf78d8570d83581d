"""The server as it is installed without its checkout: with pages, kit and what they load."""

import re
import subprocess
import sys
import urllib.request
from pathlib import Path

from tests.process.server import REPOSITORY, Server

# Of every place from which something is served; an import map names the rest.
_FILES = ("/static/hub.js", "/client/index.js", "/client/lib/client.js", "/socket.io/socket.io.js")
_PAGES = ("/", "/admin", "/calendar", "/live", "/docs", "/demo/pay")


def test_built_server_serves_its_pages_and_the_kit(tmp_path: Path) -> None:
    built = tmp_path / "built"
    build = ("build_py", "--build-lib", built)
    subprocess.run(
        [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", tmp_path, *build],
        cwd=REPOSITORY,
        check=True,
    )
    with Server(tmp_path / "var", code=built) as server:
        server.ready()

        def read(path: str) -> str:
            with urllib.request.urlopen(server.url + path) as answer:
                return str(answer.read().decode())

        pages = [read(path) for path in _PAGES]
        loaded = {path for page in pages for path in re.findall(r'"(/static/[^"]+)"', page)}
        assert len(loaded) > len(_PAGES)
        for path in (*_FILES, *sorted(loaded)):
            assert read(path), path
        server.stop()
