"""socket.io-client of any release in a process of its own, with all that happens to it."""

import asyncio
import itertools
import json
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

_SCRIPT = Path(__file__).with_name("returning.mjs")

RELEASES = {
    "4.6": "socket.io-client-4.6",
    "4.7": "socket.io-client-4.7",
    "4.8": "socket.io-client",
}

# Ten thousand events on a busy machine.
PATIENCE_S = 60.0


class Page:
    """`history` holds what it says, in order."""

    def __init__(self, release: str, url: str, **options: Any) -> None:
        self._command = (_SCRIPT, release, url, json.dumps(options))
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._news = asyncio.Condition()
        self.history: list[dict[str, Any]] = []

    @classmethod
    @asynccontextmanager
    async def open(cls, release: str, url: str, **options: Any) -> AsyncIterator["Page"]:
        page = cls(release, url, **options)
        await page._open()
        try:
            yield page
        finally:
            await page._close()

    async def _open(self) -> None:
        node = shutil.which("node")
        assert node is not None, "Node is not on PATH; `make test` brings one"
        self._process = await asyncio.create_subprocess_exec(
            node, *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        self._reader = asyncio.create_task(self._read())

    async def _close(self) -> None:
        self.wake()
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reader

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for raw in self._process.stdout:
            line = json.loads(raw)
            async with self._news:
                if "answered" in line:
                    self._answers.pop(line["answered"]).set_result(line["value"])
                else:
                    self.history.append(line)
                self._news.notify_all()

    # What it does.

    async def do(self, command: str, **rest: Any) -> Any:
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        line = json.dumps({"id": number, "command": command} | rest)
        self._process.stdin.write(line.encode() + b"\n")
        return await asyncio.wait_for(answer, PATIENCE_S)

    def sleep(self) -> None:
        """As a phone does with a page in a pocket."""
        self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGCONT)

    # What it says.

    async def until(self, condition: Callable[[], Any]) -> Any:
        async with asyncio.timeout(PATIENCE_S), self._news:
            return await self._news.wait_for(condition)

    async def connected(self, count: int = 1) -> dict[str, Any]:
        """What it says when it is connected for the so-manieth time."""
        connects: list[dict[str, Any]] = await self.until(
            lambda: len(found := self.all("connected")) >= count and found
        )
        return connects[count - 1]

    async def hears(self, offset: str) -> None:
        """Wait for the event of this place in the log."""
        await self.until(lambda: any(event[-1] == offset for event in reversed(self.events)))

    def all(self, kind: str) -> list[Any]:
        return [line[kind] for line in self.history if kind in line]

    @property
    def is_connected(self) -> bool:
        """Whether it was connected later than it was disconnected."""
        kinds = [next(iter(line)) for line in self.history if not {"event"} & set(line)]
        last = [kind for kind in kinds if kind in ("connected", "disconnected")][-1:]
        return last == ["connected"]

    @property
    def events(self) -> list[list[Any]]:
        return self.all("event")

    def since(self, kind: str) -> list[list[Any]]:
        """The events after the last line of a kind."""
        last = max(i for i, line in enumerate(self.history) if kind in line)
        return [line["event"] for line in self.history[last:] if "event" in line]
