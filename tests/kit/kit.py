"""The client kit under Node, as a door of a story."""

import asyncio
import itertools
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.club import PATIENCE_S, Door, Person

_PLAYER = Path(__file__).with_name("player.mjs")

# Waits as short as a test likes them; what they are as shipped is the kit's affair.
TIMING = {"retry": [50, 400], "climb": [100, 500], "slow": 500, "connect": 2000}


class Refused(Exception):
    """The kit raised an ApiError."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.status: int = error["status"]
        self.code: str = error["code"]


class Kit(Door):
    """A process of its own. `said` holds every line of it that is no event and no answer."""

    def __init__(self, *, timing: dict[str, Any] | None = None, **options: Any) -> None:
        super().__init__()
        self._options = options | {"timing": TIMING | (timing or {})}
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.said: list[dict[str, Any]] = []
        self.cursors: list[str] = []

    async def open(self) -> None:
        node = shutil.which("node")
        assert node is not None, "Node is not on PATH; `make test` brings one"
        self._process = await asyncio.create_subprocess_exec(
            node,
            _PLAYER,
            json.dumps(self._options),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for raw in self._process.stdout:
            line = json.loads(raw)
            if "event" in line:
                if line["cursor"]:
                    self.cursors.append(line["cursor"])
                await self._hear(line["event"], line["data"])
            elif "refused" in line:
                self._answers.pop(line["answered"]).set_exception(Refused(line["refused"]))
            elif "answered" in line:
                self._answers.pop(line["answered"]).set_result(line["value"])
            else:
                async with self._news:
                    self.said.append(line)
                    self._news.notify_all()

    async def says(self, is_it: Callable[[dict[str, Any]], bool], since: int = 0) -> dict[str, Any]:
        """Wait for a line after the first `since`; the line."""

        def found() -> Any:
            return next(filter(is_it, self.said[since:]), None)

        async with asyncio.timeout(2 * PATIENCE_S), self._news:
            line = await self._news.wait_for(found)
        assert isinstance(line, dict)
        return line

    async def is_online(self, via: str, since: int = 0) -> None:
        """Wait until it has said so after the first `since` lines."""
        await self.says(lambda line: line.get("state", {}).get("via") == via, since)

    async def is_down(self, since: int = 0) -> None:
        await self.says(lambda line: line.get("state", {}).get("state") == "reconnecting", since)

    def count(self, kind: str) -> int:
        return sum(kind in line for line in self.said)

    async def do(self, method: str, *args: Any) -> Any:
        """Call a method of the kit, or read a property. Raises: Refused."""
        number = next(self._numbers)
        self._answers[number] = answer = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        line = json.dumps({"id": number, "method": method, "args": args})
        self._process.stdin.write(line.encode() + b"\n")
        return await asyncio.wait_for(answer, 3 * PATIENCE_S)

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), PATIENCE_S)
        except TimeoutError:
            self._process.kill()
            raise
        finally:
            await self._reader
        assert self._process.returncode == 0, "it died of an error that nobody caught"


async def session_of(person: Person) -> dict[str, Any]:
    """What the kit keeps of somebody who has signed in before."""
    fresh = await person.post("/api/auth/refresh")
    user = (await person.get("/api/me"))["user"]
    return {"token": fresh["token"], "expiresAt": fresh["expiresAt"], "user": user}


@asynccontextmanager
async def kit(url: str, who: Person | None = None, **options: Any) -> AsyncIterator[Kit]:
    if who is not None:
        options = {"session": await session_of(who)} | options
    door = Kit(url=url, **options)
    await door.open()
    try:
        yield door
    finally:
        await door.close()
