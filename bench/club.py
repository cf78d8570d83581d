"""A club to measure: PostgreSQL, a server in a process of its own, members with money."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from events import BalanceUpdated
from server import migrate
from server.club import accounts, cases, ledger
from server.config import Config, Provider
from server.db import Database
from server.embedded_postgres import EmbeddedPostgres
from server.realtime.log import EventLog
from server.web.tokens import Tokens

SECRET = "the benchmark's secret, which is long enough"
_TICKS = os.sysconf("SC_CLK_TCK")
_MILLION_MINOR = 100_000_000


def say(text: str) -> None:
    """Progress, for who waits."""
    print(text, file=sys.stderr, flush=True)


@dataclass
class Member:
    id: int
    token: str


@dataclass
class RunningClub:
    """A server under measurement."""

    host: str
    port: int
    process: subprocess.Popen[bytes]
    postgres: EmbeddedPostgres
    members: list[Member]
    case_id: int
    #: Each may move others' money a few transactions at a time.
    admins: list[Member]

    def server_cpu_s(self) -> float:
        """CPU seconds that the server's process has used."""
        return _cpu_s(self.process.pid)

    def postgres_cpu_s(self) -> float:
        """CPU seconds of the postmaster and its live backends."""
        assert self.postgres.pid is not None
        children = Path(f"/proc/{self.postgres.pid}/task/{self.postgres.pid}/children")
        pids = [self.postgres.pid, *map(int, children.read_text().split())]
        return sum(_cpu_s(pid) for pid in pids)


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


@contextlib.asynccontextmanager
async def running_club(
    *, durable: bool, members: int, admins: int = 0, settings: Mapping[str, str] = {}
) -> AsyncIterator[RunningClub]:
    """Start everything, and end it; `settings` are PostgreSQL's."""
    with tempfile.TemporaryDirectory(prefix="cyberhub-bench-") as folder:
        postgres = EmbeddedPostgres(Path(folder) / "postgres", durable=durable, settings=settings)
        postgres.start()
        try:
            await asyncio.to_thread(migrate.upgrade, postgres.dsn())
            people, case_id = await _populate(postgres.dsn(), members, admins)
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            process = subprocess.Popen(
                [sys.executable, "-m", "server", "serve"],
                env=os.environ
                | {
                    "DATABASE_URL": postgres.dsn(),
                    "JWT_SECRET": SECRET,
                    "PAYMENT_SECRET": SECRET,
                    "HOST": "127.0.0.1",
                    "PORT": str(port),
                    "LOG_LEVEL": "WARNING",
                },
            )
            try:
                _wait_until_ready(port)
                yield RunningClub(
                    "127.0.0.1", port, process, postgres, people[admins:], case_id, people[:admins]
                )
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(10)
        finally:
            postgres.stop()


async def _populate(dsn: str, count: int, admins: int) -> tuple[list[Member], int]:
    db = Database(dsn, pool_size=2)
    log = EventLog(db)
    await db.open()
    tokens = Tokens(Config(jwt_secret=SECRET, providers=(Provider("bench", (SECRET,)),)))
    members = []
    async with db.transaction() as tx:
        for number in range(admins + count):
            role = "admin" if number < admins else "member"
            member = await accounts.register(tx, f"bench-{number}", None, role=role)
            after = await ledger.post(tx, member.id, _MILLION_MINOR, "deposit", "bench")
            log.append(tx, BalanceUpdated(member.id, after))
            members.append(Member(member.id, tokens.issue(member.id)[0]))
        lines = [
            {"name": f"Prize {n}", "image": "", "rarity": "common", "value": 50, "weight": n + 1}
            | {"stock": None}
            for n in range(5)
        ]
        case = await cases.create(tx, name="Bench", image="", price=100, items=lines)
    await db.close()
    return members, case.id


def _wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=2):
                return
        time.sleep(0.05)
    raise RuntimeError("the server did not get ready")
