"""The kit's types: made from the catalogue, and right."""

import subprocess
from pathlib import Path

from server.web import typescript

_ROOT = Path(__file__).parents[2]


def test_types_of_events_and_commands_are_those_of_the_catalogue() -> None:
    written = (_ROOT / "clients" / "javascript" / "events.d.ts").read_text()
    assert written == typescript.declarations(), "events.d.ts is old: run `make docs`"


def test_site_in_typescript_compiles_and_its_mistakes_do_not() -> None:
    compiler = _ROOT / "node_modules" / "typescript" / "bin" / "tsc"
    project = Path(__file__).with_name("types") / "tsconfig.json"
    said = subprocess.run(
        ["node", compiler, "--project", project], capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stdout) == (0, "")
