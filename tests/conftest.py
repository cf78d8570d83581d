"""What every test can use: a migrated database of its own module, and a club that runs on it."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from server import migrate
from server.config import Config, Provider
from server.embedded_postgres import EmbeddedPostgres
from tests.club import Club
from tests.invariants import check_invariants

TEMPLATE = "club_template"
JWT_SECRET = "a secret of at least thirty-two bytes"
PAYMENT_SECRET = "another secret of thirty-two bytes"

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """One PostgreSQL for the whole run; nothing in it outlives the run."""
    server = EmbeddedPostgres(
        tmp_path_factory.mktemp("postgres"), durable=False, settings={"max_connections": "300"}
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
async def template(postgres: EmbeddedPostgres) -> str:
    """A migrated, empty database that others are copied from."""
    connection = await asyncpg.connect(postgres.dsn())
    await connection.execute(f"CREATE DATABASE {TEMPLATE}")
    await connection.close()
    await asyncio.to_thread(migrate.upgrade, postgres.dsn(TEMPLATE))
    return TEMPLATE


@pytest.fixture(scope="module")
async def dsn(
    postgres: EmbeddedPostgres, template: str, request: pytest.FixtureRequest
) -> AsyncIterator[str]:
    """The module's own database."""
    async with database_of(postgres, template, request.module.__name__) as dsn:
        yield dsn


@asynccontextmanager
async def database_of(
    postgres: EmbeddedPostgres, template: str, whose: str
) -> AsyncIterator[str]:
    """A copy of the template for as long as it is needed."""
    name = re.sub(r"\W", "_", whose).lower()[-40:] + f"_{next(_numbers)}"
    connection = await asyncpg.connect(postgres.dsn())
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield postgres.dsn(name)
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """The settings of the module's club; a module may override this fixture."""
    return make_config(dsn, tmp_path_factory.mktemp("var"))


def make_config(dsn: str, var_dir: Path, **changes: object) -> Config:
    """Settings for a test's club: small waits, everything else as shipped."""
    fields: dict[str, object] = {
        "jwt_secret": JWT_SECRET,
        "providers": (Provider("smartshell", (PAYMENT_SECRET,)),),
        "port": 0,
        "var_dir": var_dir,
        "database_url": dsn,
        "registrations_per_address": "100000/hour",
        "drain_s": 0.5,
    }
    return Config(**(fields | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
async def club(config: Config) -> AsyncIterator[Club]:
    """A running club on the module's database."""
    async with Club.open(config) as running:
        yield running


@pytest.fixture(autouse=True)
async def money_is_exact(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """After every test that used a database: not a coin is lost or doubled."""
    yield
    if "dsn" in request.fixturenames:
        await check_invariants(request.getfixturevalue("dsn"))
