"""`python -m cyberhub_client watch`, as its user sees it."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.club import PASSWORD, PATIENCE_S, Club, Person
from tests.happenings import here, tell_all, top_up


class Watcher:
    """The command in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        assert process.stdout is not None and process.stderr is not None
        self.out, self.err = process.stdout, process.stderr

    async def says(self, text: str) -> str:
        """The next line on stderr that holds it."""
        async with asyncio.timeout(2 * PATIENCE_S):
            while line := (await self.err.readline()).decode():
                if text in line:
                    return line
        raise AssertionError(f"it never said {text!r}")

    async def line(self) -> str:
        async with asyncio.timeout(2 * PATIENCE_S):
            return (await self.out.readline()).decode().rstrip("\n")

    async def end(self) -> int:
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()


@contextlib.asynccontextmanager
async def watch(*options: str, **environment: str) -> AsyncIterator[Watcher]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cyberhub_client",
        "watch",
        *options,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield Watcher(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture
async def player(club: Club) -> Person:
    return await club.person()


def as_(player: Person) -> tuple[str, ...]:
    return ("--url", player.club.url, "--username", player.username)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_events_are_printed_as_they_come_until_it_is_interrupted(
    club: Club, player: Person, number: signal.Signals
) -> None:
    async with watch(*as_(player), CYBERHUB_PASSWORD=PASSWORD) as watcher:
        await watcher.says("online via websocket")
        await top_up(club, player)
        assert (await watcher.line()).endswith(f'balance:updated:{player.id} {{"balance": 0.01}}')
        await tell_all(club)
        assert (await watcher.line()).endswith(" cases:updated")

        watcher.process.send_signal(number)

        assert await watcher.end() == 0
        assert await watcher.out.read() == b""
        assert b"Traceback" not in await watcher.err.read()


@pytest.mark.parametrize("transport", ["websocket", "polling", "updates"])
async def test_events_are_told_as_json_with_their_cursors_from_a_place_on(
    club: Club, player: Person, transport: str, tmp_path: Path
) -> None:
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n")
    since = await here(club)
    await tell_all(club)
    await top_up(club, player, 2)
    told = ("--json", "--only", "balance:updated", "--transport", transport, "--since", since)
    async with watch(*as_(player), *told, "--password-file", str(secret)) as watcher:
        first, second = [json.loads(await watcher.line()) for _ in "ab"]
        assert first["event"] == f"balance:updated:{player.id}"
        assert [first["data"], second["data"]] == [{"balance": 0.01}, {"balance": 0.02}]
        assert first["cursor"] < second["cursor"] or len(first["cursor"]) < len(second["cursor"])


async def test_watching_goes_on_where_it_was(club: Club, player: Person, tmp_path: Path) -> None:
    told = (*as_(player), "--state", str(tmp_path / "place"))
    for balance in (0.01, 0.02):
        async with watch(*told, CYBERHUB_PASSWORD=PASSWORD) as watcher:
            if balance == 0.01:
                await watcher.says("online")
            await top_up(club, player)
            assert f'{{"balance": {balance}}}' in await watcher.line()
            watcher.process.send_signal(signal.SIGINT)
            assert await watcher.end() == 0
        # The next one begins with what happened between the two.


async def test_watching_ends_when_nobody_reads(club: Club, player: Person) -> None:
    async with watch("--url", club.url, CYBERHUB_TOKEN=player.token) as watcher:
        await watcher.says("online")
        watcher.out._transport.close()  # type: ignore[attr-defined]
        await tell_all(club, 2)
        assert await watcher.end() == 0


async def test_errors_are_told_in_plain_words(club: Club, player: Person, tmp_path: Path) -> None:
    for options, environment, said in (
        (as_(player), {"CYBERHUB_PASSWORD": "wrong"}, "The name or the password is wrong."),
        (as_(player), {}, "a password is needed"),
        (("--url", "club"), {}, "not an http or https address"),
        (("--url", club.url, "--token", "nonsense"), {}, "The token is not valid."),
        ((*as_(player), "--password-file", str(tmp_path / "none")), {}, "No such file"),
    ):
        async with watch(*options, **environment) as watcher:
            assert said in await watcher.says("cyberhub-client:")
            assert await watcher.end() == 1


async def test_why_nobody_answers_is_said() -> None:
    async with watch("--url", "http://127.0.0.1:1") as watcher:
        await watcher.says("Cannot connect")
        await watcher.says("reconnecting in")
        watcher.process.send_signal(signal.SIGINT)
        assert await watcher.end() == 0
