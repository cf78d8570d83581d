"""The real socket.io-client under Node, as a door."""

import asyncio
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

from tests.club import PATIENCE_S, Club, Door

_SCRIPT = Path(__file__).with_name("client.mjs")


class JsDoor(Door):
    """A process of its own; `said` holds every line of it that is no event and no answer."""

    def __init__(self, club: Club, transports: list[str], auth: Any = None, **options: Any) -> None:
        super().__init__()
        self._url = club.url
        self._options = {"transports": transports, "auth": auth or {}} | options
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.said: list[dict[str, Any]] = []

    async def open(self) -> None:
        node = shutil.which("node")
        assert node is not None, "Node is not on PATH; `make test` brings one"
        self._process = await asyncio.create_subprocess_exec(
            node,
            _SCRIPT,
            self._url,
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
                await self._hear(line["event"], line["args"][0] if line["args"] else None)
            elif "answered" in line:
                self._answers.pop(line["answered"]).set_result(line["value"])
            else:
                async with self._news:
                    self.said.append(line)
                    self._news.notify_all()

    async def says(self, what: str, count: int = 1) -> dict[str, Any]:
        """Wait until the client has said a thing of this kind `count` times; what it said then."""

        def lines() -> list[dict[str, Any]]:
            return [line for line in self.said if what in line]

        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: len(lines()) >= count)
        return lines()[count - 1]

    async def _do(self, command: str, **rest: Any) -> Any:
        number = next(self._numbers)
        self._answers[number] = answer = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        line = json.dumps({"id": number, "command": command} | rest)
        self._process.stdin.write(line.encode() + b"\n")
        return await asyncio.wait_for(answer, PATIENCE_S)

    async def ask(self, name: str, *arguments: Any) -> Any:
        """Send a command and return its ack."""
        return await self._do("emit", name=name, args=arguments)

    async def fetch(self, method: str, path: str, body: Any, token: str) -> Any:
        """An HTTP request from the page's side."""
        return await self._do("fetch", method=method, path=path, body=body, token=token)

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
