"""An open transaction."""

from typing import Any

from server.db.connection import Ahead, Connection


class Transaction:
    """An open transaction. What is put in `outbox` is written by the event log before COMMIT.

    BEGIN goes with the first statement, and what was given to `send` with the next one or with
    COMMIT: to the database it is all in the order of the calls.
    """

    __slots__ = ("_ahead", "_begun", "_connection", "outbox")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ahead = [Ahead("BEGIN", ())]
        self._begun = False
        self.outbox: list[Any] = []

    def send(self, statement: str, *arguments: Any) -> None:
        """Execute a statement that returns no rows, without waiting for it.

        Whatever PostgreSQL has against it is raised by what is awaited next, at last by the
        commit. Raises: TypeError for arguments that are not text, whole numbers, times, bytes,
        None or lists of them.
        """
        self._ahead.append(Ahead(statement, arguments))

    async def execute(self, statement: str, *arguments: Any) -> None:
        await self._run("fetch", statement, arguments)

    async def fetch(self, statement: str, *arguments: Any) -> Any:
        """All rows."""
        return await self._run("fetch", statement, arguments)

    async def fetchrow(self, statement: str, *arguments: Any) -> Any:
        """The first row, or None."""
        return await self._run("fetchrow", statement, arguments)

    async def fetchval(self, statement: str, *arguments: Any) -> Any:
        """The first row's first value, or None."""
        return await self._run("fetchval", statement, arguments)

    async def _run(self, how: str, statement: str, arguments: tuple[Any, ...]) -> Any:
        ahead, self._ahead, self._begun = self._ahead, [], True
        return await self._connection.run(how, statement, arguments, ahead)

    async def commit(self) -> None:
        if self._begun or len(self._ahead) > 1:
            await self.execute("COMMIT")

    async def roll_back(self) -> None:
        if not self._connection.is_closed() and self._connection.is_in_transaction():
            await self._connection.execute("ROLLBACK")
