"""The kit without this repository: built, and installed where no server is."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cyberhub_client
from tests.club import PASSWORD, PATIENCE_S, Club
from tests.happenings import top_up

_SOURCE = Path(cyberhub_client.__file__).parents[1]


def test_the_built_kit_runs_without_the_server(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "installed"
    left = shutil.ignore_patterns("*.egg-info", "build", "__pycache__")
    shutil.copytree(_SOURCE, source, ignore=left)
    build = ["build", "--build-lib", str(target)]
    subprocess.run([sys.executable, "setup.py", "-q", *build], cwd=source, check=True)
    shutil.rmtree(source)
    program = (
        "import sys, cyberhub_client\n"
        "print(cyberhub_client.__file__)\n"
        "print(sorted({'server', 'handlers', 'events'} & set(sys.modules)))\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        check=True,
    )

    file, of_the_server = done.stdout.splitlines()
    assert Path(file).parent == target / "cyberhub_client"
    assert of_the_server == "[]"
    assert (target / "cyberhub_client" / "py.typed").is_file()
    assert (target / "cyberhub_client" / "doors" / "socket.py").is_file()


def test_help_says_how_a_password_is_given() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cyberhub_client", "watch", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--password-file" in done.stdout and "CYBERHUB_PASSWORD" in done.stdout
    assert "--password " not in done.stdout


async def test_the_bot_of_the_documentation_runs(club: Club, tmp_path: Path) -> None:
    player = await club.person()
    page = (_SOURCE.parents[1] / "docs" / "python-kit.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    program = program.replace("https://club.example", club.url)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-u",
        "-c",
        program.replace("player1", player.username),
        cwd=tmp_path,
        env=os.environ | {"CYBERHUB_PASSWORD": PASSWORD},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(2 * PATIENCE_S):
            assert b"resync" in await process.stdout.readline()
            await top_up(club, player)
            line = (await process.stdout.readline()).decode()
            assert line.endswith(f"balance:updated:{player.id} {{'balance': 0.01}}\n")
    finally:
        process.kill()
        await process.communicate()
