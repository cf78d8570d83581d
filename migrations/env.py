"""Alembic's entry: runs the versions over asyncpg, one process at a time."""

import asyncio
import threading
from typing import Any

from alembic import context
from sqlalchemy import pool, text
from sqlalchemy.ext.asyncio import create_async_engine

# Any constant will do, as long as no other lock of the service has it.
MIGRATION_LOCK = 0x6D6967


def _upgrade(connection: Any) -> None:
    context.configure(connection=connection, transaction_per_migration=False)
    with context.begin_transaction():
        # Several servers may start at once; the second finds the work done.
        connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
        context.run_migrations()


async def _run() -> None:
    dsn = context.config.attributes["dsn"]
    engine = create_async_engine(
        dsn.replace("postgresql://", "postgresql+asyncpg://", 1).replace(
            "postgres://", "postgresql+asyncpg://", 1
        ),
        poolclass=pool.NullPool,
    )
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade)
            await connection.commit()
    finally:
        await engine.dispose()


def _in_a_thread_of_its_own() -> None:
    """Alembic is synchronous and may be called from inside a running loop."""
    failure: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(_run())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, name="migrations")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]


_in_a_thread_of_its_own()
