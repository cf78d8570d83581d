"""From the commit of a change of balance to its arrival: PostgreSQL's clock and the client's.

Both are the machine's. PostgreSQL takes the time of a commit before it writes it out, so the
figure includes the write.
"""

import asyncio
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench.club import Member, RunningClub
from bench.engine.children import BenchError, Load

# Connections: the server bounds how many one address may have.
_PER_ADDRESS = 1000

#: PostgreSQL's, for a club whose commits are to be timed.
SETTINGS = {"track_commit_timestamp": "on"}

_COMMITS = """
    SELECT user_id, balance_after,
           (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint AS committed_us
      FROM ledger
     WHERE kind = 'admin_add'
  ORDER BY id
"""


@dataclass(frozen=True)
class Change:
    """A change of a balance, and how long after its commit its member heard of it."""

    committed_s: float
    took_ms: float


async def changes(club: RunningClub, listening: Load) -> list[Change]:
    """All that have happened since the club opened; each must have come, once.

    Raises: BenchError.
    """
    with tempfile.TemporaryDirectory(prefix="cyberhub-bench-") as folder:
        path = Path(folder) / "arrivals"
        await asyncio.to_thread(listening.ask, f"arrivals {path}")
        lines = [tuple(map(int, line.split())) for line in path.read_text().splitlines()]
    came = {(member, minor): at_ns for member, minor, at_ns in lines}
    connection = await asyncpg.connect(club.postgres.dsn())
    committed = {
        (row["user_id"], row["balance_after"]): row["committed_us"]
        for row in await connection.fetch(_COMMITS)
    }
    await connection.close()
    if len(came) != len(lines) or came.keys() != committed.keys():
        raise BenchError(f"{len(committed)} changes, {len(lines)} arrivals of {len(came)}")
    return [
        Change(us / 1e6, (came[change] / 1000 - us) / 1000) for change, us in committed.items()
    ]


def p50_p99(found: list[Change]) -> tuple[float, float]:
    """Both in ms."""
    cuts = statistics.quantiles((each.took_ms for each in found), n=100)
    return cuts[49], cuts[98]


def connected(club: RunningClub, members: list[Member], source: str) -> Load:
    """A WebSocket of each member, in a process that costs little."""
    load = Load(club, source, _PER_ADDRESS)
    for member in members:
        load.ask(f"token {member.token}")
    load.ask(f"open {len(members)} 20 2")
    return load


def topping_up(club: RunningClub, source: str) -> Load:
    """The admins, likewise."""
    load = Load(club, source, _PER_ADDRESS)
    for admin in club.admins:
        load.ask(f"member {admin.token}")
    return load
