"""A server in a process of its own, whose memory can be looked at.

`python -m tests.engine.crowd_server '{options of make_server}'`. Takes commands on standard
input, a JSON array a line, and answers each with a line of JSON.
"""

import asyncio
import json
import resource
import sys
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import web

from server.engine import FrontSite, make_server


class CrowdServer:
    """What the commands do; each is a method."""

    def __init__(self, sio: Any, port: int) -> None:
        self._sio = sio
        self._port = port

    async def port(self) -> int:
        return self._port

    async def state(self) -> dict[str, Any]:
        """Sessions, counters, and the most memory that was ever resident, in bytes."""
        counters = self._sio.eio.counters
        return {
            "sessions": len(self._sio.eio.sockets),
            "tasks": len(self._sio.eio.tasks),
            "rooms": len(self._sio.manager.rooms),
            "peak": _peak(),
            **{name: getattr(counters, name) for name in counters.__slots__},
        }

    async def broadcast(self, begin: int, count: int, size: int, volatile: bool) -> None:
        """Events `tick` with a number and so many characters, as an application emits them."""
        payload = "x" * size
        for number in range(begin, begin + count):
            await self._sio.emit("tick", (number, payload), volatile=volatile)
            # What an application waits for between two events: without it nobody could read.
            await asyncio.sleep(0)


def _peak() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        # What getrusage says on Linux begins with the parent's, who may be bigger.
        line = next(each for each in status.read_text().splitlines() if "VmHWM" in each)
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


async def main(options: dict[str, Any]) -> None:
    sio: Any = make_server(**{"close_timeout": 0.05} | options)
    app = web.Application()
    sio.attach(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await FrontSite(runner, sio.eio, host="127.0.0.1", port=0).start()
    sio.on("say", lambda sid, what: what)
    server = CrowdServer(sio, runner.addresses[0][1])
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        name, *arguments = json.loads(line)
        print(json.dumps(await getattr(server, name)(*arguments)), flush=True)


if __name__ == "__main__":
    uvloop.run(main(json.loads(sys.argv[1])))
