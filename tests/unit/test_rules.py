"""Rules that the code keeps: imports go down, SQL is good, our names are ours alone."""

import importlib
import pkgutil
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import asyncpg

import server
from events.fields import MAX_BALANCE_MINOR
from tests.club import Club

ROOT = Path(server.__file__).parent.parent
OUR_PACKAGES = {"server", "handlers", "events", "migrations"}
_SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b")


def test_imports_go_down() -> None:
    lint_imports = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert lint_imports, "import-linter belongs to the test extra"
    done = subprocess.run(
        [lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def sql_constants() -> dict[str, str]:
    """Every statement that stands as a constant in a module of the server."""
    found = {}
    for info in pkgutil.walk_packages(server.__path__, "server."):
        if info.name == "server.__main__":
            continue
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            if name.isupper() and isinstance(value, str) and _SQL.match(value):
                found[f"{info.name}.{name}"] = value
    return found


async def test_every_sql_constant_can_be_prepared_on_the_migrated_database(
    club: Club, dsn: str
) -> None:
    statements = sql_constants()
    # If the rule of names changes, this must not pass by finding nothing.
    assert len(statements) > 30
    connection = await asyncpg.connect(dsn)
    broken = {}
    for name, statement in statements.items():
        try:
            await connection.prepare(statement)
        except asyncpg.PostgresError as error:
            broken[name] = str(error)
    await connection.close()
    assert broken == {}


async def test_database_holds_a_balance_to_what_the_wire_can_carry(
    club: Club, dsn: str
) -> None:
    connection = await asyncpg.connect(dsn)
    text = await connection.fetchval(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'users_balance'"
    )
    await connection.close()
    bounds = {int(number) for number in re.findall(r"\d+", text)} - {64}
    assert bounds == {0, MAX_BALANCE_MINOR}, text


def test_no_other_distribution_brings_packages_of_our_names() -> None:
    owners: dict[str, Any] = metadata.packages_distributions()
    for package in OUR_PACKAGES:
        assert set(owners.get(package, ["cyberhub"])) == {"cyberhub"}, package


def test_packages_of_our_names_are_the_ones_beside_the_tests() -> None:
    for package in OUR_PACKAGES:
        file = importlib.import_module(package).__file__
        assert file is not None and Path(file).parent.parent == ROOT
