"""An open transaction."""

from typing import Any

from server.db.connection import Ahead, Connection

# Why a transaction takes nothing more.
_OVER = "the transaction is over"
_FAILED = "a statement of the transaction has failed"
_AT_ONCE = "two statements of the transaction at once"


class Transaction:
    """An open transaction. What is put in `outbox` is written by the event log before COMMIT.

    BEGIN goes with the first statement, and what was given to `send` with the next one or with
    COMMIT: to the database it is all in the order of the calls.

    Invariants
        After a statement that failed nothing more is executed, and the commit is refused: to
        PostgreSQL it would be a roll-back without a word, and BEGIN may have gone with what
        failed. When it is over, its connection is somebody else's.

    Raises: RuntimeError, from every method, when it takes nothing more.
    """

    __slots__ = ("_ahead", "_begun", "_busy", "_connection", "_end", "outbox")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ahead = [Ahead("BEGIN", ())]
        self._begun = False
        self._busy = False
        self._end: str | None = None
        self.outbox: list[Any] = []

    def ensure_open(self) -> None:
        """Whether it takes something more."""
        if self._end is not None:
            raise RuntimeError(self._end)

    def send(self, statement: str, *arguments: Any) -> None:
        """Execute a statement that returns no rows, without waiting for it.

        Whatever PostgreSQL has against it is raised by what is awaited next, at last by the
        commit; so is the TypeError for one that returns rows. Raises: TypeError for arguments
        that are not text, whole numbers, times, bytes, None or lists of them.
        """
        self.ensure_open()
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
        self.ensure_open()
        if self._busy:
            self._end = _AT_ONCE
            raise RuntimeError(_AT_ONCE)
        ahead, self._ahead, self._begun, self._busy = self._ahead, [], True, True
        try:
            return await self._connection.run(how, statement, arguments, ahead)
        except BaseException:
            self._end = _FAILED
            raise
        finally:
            self._busy = False

    async def commit(self) -> None:
        self.ensure_open()
        if self._begun or len(self._ahead) > 1:
            await self.execute("COMMIT")
        self._end = _OVER

    async def roll_back(self) -> None:
        self._end = _OVER
        if not self._connection.is_closed() and self._connection.is_in_transaction():
            await self._connection.execute("ROLLBACK")
