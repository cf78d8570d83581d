"""The clients of docs/doors.md, as they stand there: a shell and curl."""

import asyncio
import contextlib
import json
import os
import re
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.config import Config
from server.keys import FEEDS
from server.realtime.feeds import EVENT_STREAM, UPDATES
from tests.club import PATIENCE_S, Club, Person, until
from tests.dialogs import begins, writes
from tests.happenings import top_up
from tests.process.server import free_port

ROOT = Path(__file__).parents[2]


def loop_of(page: str) -> str:
    """The shell loop of a page."""
    blocks: list[str] = re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    (loop,) = [block for block in blocks if "api/updates?" in block]
    return loop


@contextlib.asynccontextmanager
async def running(*command: str, **variables: str) -> AsyncIterator[Process]:
    """A program of its own session, ended with all that it started."""
    process = await asyncio.create_subprocess_exec(
        *command, env=dict(os.environ) | variables, stdout=PIPE, start_new_session=True
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        await process.wait()


async def line(process: Process) -> str:
    assert process.stdout is not None
    read = await asyncio.wait_for(process.stdout.readline(), 3 * PATIENCE_S)
    assert read, "the program has ended"
    return read.decode().rstrip("\n")


async def someone_at(club: Club, door: str) -> None:
    async def there() -> bool:
        return any(feed.door == door and feed.began for feed in club.app[FEEDS].all())

    await until(there, f"somebody is at {door}")


def test_the_loop_is_the_same_wherever_it_stands_and_as_short_as_promised() -> None:
    loop = loop_of("docs/doors.md")
    assert loop == loop_of("README.md")
    assert len(loop.splitlines()) <= 10


@pytest.mark.parametrize("shell", ["sh", "bash"])
async def test_shell_loop_prints_everything_once_and_in_order_over_a_restart(
    config: Config, shell: str
) -> None:
    settings = replace(config, port=free_port())
    async with contextlib.AsyncExitStack() as loops:
        async with Club.open(settings) as club:
            player = await club.person(has_password=False)
            auth = f"Authorization: Bearer {player.token}"
            loop = await loops.enter_async_context(
                running(shell, "-c", loop_of("docs/doors.md"), CLUB=club.url, AUTH=auth)
            )
            await someone_at(club, UPDATES)
            await top_up(club, player, 5)
            heard = await balances(loop, 5)
        # While nobody answers, and before the loop has come back.
        async with Club.open(settings) as club:
            await top_up(club, player, 3)
            heard += await balances(loop, 3)
            await top_up(club, player, 1)
            heard += await balances(loop, 1)
    assert heard == list(range(1, 10))


@pytest.mark.parametrize("shell", ["sh", "bash"])
async def test_shell_loop_waits_for_the_club_and_prints_texts_as_they_are(
    config: Config, shell: str
) -> None:
    settings = replace(config, port=free_port())
    texts = ["first\nsecond", r"a \n b \c \\ d", 'the "cursor": "x", "resync": true']
    async with contextlib.AsyncExitStack() as loops:
        async with Club.open(settings) as club:
            player = await club.person(has_password=False)
        auth = f"Authorization: Bearer {player.token}"
        loop = await loops.enter_async_context(
            running(shell, "-c", loop_of("README.md"), CLUB=club.url, AUTH=auth)
        )
        async with Club.open(settings) as club:
            player = Person(club, player.id, player.username, player.token)
            await someone_at(club, UPDATES)
            dialog = await begins(player, text=texts[0])
            for text in texts[1:]:
                await writes(player, dialog, text)
            heard: list[str] = []
            while len(heard) < len(texts):
                events = json.loads(await line(loop))["events"]
                heard += [each["data"]["text"] for each in events if each["event"] == "new_message"]
    assert heard == texts


async def balances(loop: Process, count: int) -> list[int]:
    events: list[Any] = []
    while len(events) < count:
        events += json.loads(await line(loop))["events"]
    return [round(event["data"]["balance"] * 100) for event in events]


async def test_curl_prints_the_event_stream_and_goes_on_where_it_was(club: Club) -> None:
    player = await club.person(has_password=False)
    address = f"{club.url}/api/updates/stream"
    auth = f"Authorization: Bearer {player.token}"
    async with running("curl", "-sN", address, "-H", auth) as curl:
        await someone_at(club, EVENT_STREAM)
        await top_up(club, player, 1)
        said = [await line(curl) for _ in range(6)]
    assert re.fullmatch(r"retry: \d+", said[0])
    assert said[3:5] == [f"event: balance:updated:{player.id}", 'data: {"balance":0.01}']
    last = said[5].removeprefix("id: ")

    await top_up(club, player, 1)
    header = f"Last-Event-ID: {last}"
    async with running("curl", "-sN", address, "-H", auth, "-H", header) as curl:
        said = [await line(curl) for _ in range(5)]
    assert said[1] == f"id: {last}"
    assert said[4] == 'data: {"balance":0.02}'
