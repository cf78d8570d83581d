"""A connection on which several statements go to the database in one way.

Each way there and back costs both sides more than most statements do. PostgreSQL takes any number
of Bind and Execute messages before the Sync that asks for an answer (the protocol's pipelining,
PostgreSQL documentation §54.2.3); asyncpg sends a Sync with each statement. So what goes ahead is
written here, and the statement that asyncpg sends behind it brings the Sync.

It leans on five things of asyncpg 0.32 that are not documented: `Connection._transport`; that a
prepared statement is written out in the call, before anything is waited for; that it counts in
`queries_count` then; that the answers of what went ahead are passed over; and
`_protocol._is_cancelling` (tests/unit/test_transactions.py, test_transactions_in_trouble.py).
"""

from collections.abc import Iterable
from datetime import datetime
from struct import pack
from typing import Any

import asyncpg

# A migration has changed what a statement returns, or somebody between us and PostgreSQL has
# made it forget what was prepared.
_FORGOTTEN = (
    asyncpg.InvalidCachedStatementError,
    asyncpg.OutdatedSchemaCacheError,
    asyncpg.InvalidSQLStatementNameError,
)

# Of the unnamed portal, without a limit of rows.
_EXECUTE = b"E" + pack("!iBi", 9, 0, 0)


class Ahead:
    """A statement and its arguments, ready to be bound."""

    __slots__ = ("arguments", "statement")

    def __init__(self, statement: str, arguments: Iterable[Any]) -> None:
        """Raises: TypeError, UnicodeEncodeError for arguments that cannot be written."""
        self.statement = statement
        self.arguments = [_text(argument) for argument in arguments]

    def messages(self, name: str) -> bytes:
        """Bind to the prepared statement of that name, and Execute."""
        # All arguments as text, and no columns in the result.
        parts = [b"\0", name.encode(), pack("!BHH", 0, 0, len(self.arguments))]
        for argument in self.arguments:
            if argument is None:
                parts.append(pack("!i", -1))
            else:
                parts += (pack("!i", len(argument)), argument)
        parts.append(pack("!H", 0))
        body = b"".join(parts)
        return b"B" + pack("!i", 4 + len(body)) + body + _EXECUTE


class Connection(asyncpg.Connection):
    """A connection that knows by name what it has prepared."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._known: dict[str, Any] = {}
        # The names of those that return no rows.
        self._names: dict[str, str] = {}

    @property
    def is_cancelling(self) -> bool:
        """Whether a statement that was given up may still be under way."""
        return bool(self._protocol._is_cancelling())

    async def run(
        self, how: str, statement: str, arguments: Iterable[Any], ahead: list[Ahead]
    ) -> Any:
        """Execute `ahead`, then the statement, and return what its `how` (fetchrow, …) does.

        Raises: the first error of any of them; nothing after it was executed. TypeError when one
        of `ahead` returns rows.
        """
        names = [self._names.get(e.statement) or await self._name(e.statement) for e in ahead]
        last = await self._prepared(statement)
        if self.is_closed():
            # To write to it would be a RuntimeError of uvloop's.
            raise asyncpg.ConnectionDoesNotExistError("the connection is closed")
        before = self._protocol.queries_count
        if ahead:
            self._transport.write(b"".join(map(Ahead.messages, ahead, names)))
        try:
            return await getattr(last, how)(*arguments)
        except _FORGOTTEN:
            self._known.clear()
            self._names.clear()
            raise
        finally:
            # Such as an argument of the wrong type: no Sync follows what went ahead.
            if ahead and not self.is_closed() and self._protocol.queries_count == before:
                self.terminate()

    async def _name(self, statement: str) -> str:
        prepared = await self._prepared(statement)
        if prepared.get_attributes():
            # They would be taken for rows of the statement behind it.
            raise TypeError("a statement that returns rows cannot go ahead")
        name: str = prepared.get_name()
        self._names[statement] = name
        return name

    async def _prepared(self, statement: str) -> Any:
        known = self._known.get(statement)
        if known is None:
            known = self._known[statement] = await self.prepare(statement)
        return known


def _text(value: Any) -> bytes | None:
    """A value in PostgreSQL's text format."""
    if value is None:
        return None
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return b"\\x" + value.hex().encode()
    if type(value) is int:
        return str(value).encode()
    if isinstance(value, datetime):
        return value.isoformat().encode()
    if isinstance(value, (list, tuple)):
        return b"{" + b",".join(map(_element, value)) + b"}"
    raise TypeError(f"{type(value).__name__} cannot go ahead")


def _element(value: Any) -> bytes:
    """An element of an array (PostgreSQL documentation §8.15.6)."""
    text = _text(value)
    if text is None:
        return b"NULL"
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
