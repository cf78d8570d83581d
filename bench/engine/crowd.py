"""100,000 idle WebSockets on one machine: who stays, and what they take."""

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.engine.children import BenchError, Load, Server, check

_PROCESSES = 6
_PER_ADDRESS = 100
# Files of a process besides its connections.
_OWN_FILES = 200


@dataclass
class Crowd:
    """What came of it: counts, seconds, bytes."""

    clients: int
    processes: int
    connect_s: float
    stayed_s: float
    lost: int
    pings: int
    rss_bytes: int
    pss_bytes: int
    cpu_s: float


def measure(peer: str, clients: int, stay_s: float, say: Callable[[str], None]) -> Crowd:
    """Connect them all, let them answer pings for `stay_s` seconds, count who is left.

    Raises: BenchError when a client is refused, or the machine allows too few files.
    """
    each = -(-clients // _PROCESSES)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < each + _OWN_FILES:
        raise BenchError(f"a process may open {hard} files here, and needs {each + _OWN_FILES}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    servers: list[Server] = []
    loads: list[Load] = []
    try:
        for number in range(_PROCESSES):
            servers.append(Server(peer))
            loads.append(Load(servers[-1], f"127.{number + 1}.0.1", _PER_ADDRESS))
        started = time.monotonic()
        for load in loads:
            load.tell(f"open {each} 20")
        for load in loads:
            check(load.hear(400))
        connect_s = time.monotonic() - started
        say(f"{each * _PROCESSES:,} connected in {connect_s:.0f} s")
        cpu = sum(server.cpu_s() for server in servers)
        started = time.monotonic()
        while (stayed := time.monotonic() - started) < stay_s:
            time.sleep(min(10, stay_s - stayed))
            say(f"{time.monotonic() - started:.0f} s of {stay_s:.0f} s")
        answers = []
        for load in loads:
            load.tell("status")
            answers.append(load.hear(30))
        cpu = sum(server.cpu_s() for server in servers) - cpu
        return Crowd(
            clients=sum(server.ask("clients")["clients"] for server in servers),
            processes=_PROCESSES,
            connect_s=connect_s,
            stayed_s=stayed,
            lost=sum(answer["lost"] for answer in answers),
            pings=sum(answer["pings"] for answer in answers),
            rss_bytes=sum(server.rss_bytes() for server in servers),
            pss_bytes=sum(server.pss_bytes() for server in servers),
            cpu_s=cpu,
        )
    finally:
        for load in loads:
            load.stop()
        for server in servers:
            server.stop()
