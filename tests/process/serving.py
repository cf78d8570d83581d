"""`cyberhub serve` on a test's database, and accounts in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jwt

from server.club import accounts
from server.db import Database
from tests.conftest import JWT_SECRET, PAYMENT_SECRET
from tests.process.server import Server


@contextmanager
def serving(dsn: str, var_dir: Path, **settings: object) -> Iterator[Server]:
    """A server that is ready; `settings` are variables of its environment."""
    with Server(
        var_dir,
        "serve",
        host="127.0.0.1",
        database_url=dsn,
        jwt_secret=JWT_SECRET,
        payment_secret=PAYMENT_SECRET,
        **settings,
    ) as server:
        server.ready()
        yield server


async def member(dsn: str, name: str, *, role: str = "member") -> tuple[int, str]:
    """The id and a token of a new account."""
    db = Database(dsn, pool_size=1)
    await db.open()
    async with db.transaction() as tx:
        id_ = (await accounts.register(tx, name, None, role=role)).id
    await db.close()
    return id_, jwt.encode({"sub": str(id_), "exp": 4_000_000_000}, JWT_SECRET)
