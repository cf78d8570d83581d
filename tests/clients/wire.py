"""The wire between a client and a server, in a test's hands."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


class Wire:
    """Carries TCP connections to a port or Unix socket of this machine, until told otherwise."""

    def __init__(self, port: int | Path) -> None:
        self.port = port
        self.url = ""
        #: Bytes that a connection may still bring to its client; None: as many as there are.
        self.budget: int | None = None
        #: Whether new connections get through.
        self.is_up = True
        #: How many have got through.
        self.connections = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._strands: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []

    @classmethod
    @asynccontextmanager
    async def open(cls, port: int | Path) -> AsyncIterator["Wire"]:
        wire = cls(port)
        listener = await asyncio.start_server(wire._accept, "127.0.0.1", 0)
        wire.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        try:
            yield wire
        finally:
            listener.close()
            wire.cut()
            for task in wire._tasks:
                task.cancel()
            await asyncio.gather(*wire._tasks, return_exceptions=True)

    # What becomes of the connections that stand.

    def cut(self) -> None:
        """Both sides see an end."""
        for client, server in self._strands:
            client.transport.abort()
            server.transport.abort()
        self._strands.clear()

    def strand(self) -> None:
        """The client sees an end; the server sees nothing."""
        for client, _ in self._strands:
            client.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(
        self, from_client: asyncio.StreamReader, client: asyncio.StreamWriter
    ) -> None:
        if not self.is_up:
            client.transport.abort()
            return
        try:
            from_server, server = await self._connect()
        except ConnectionError:
            client.transport.abort()
            return
        self.connections += 1
        self._strands.append((client, server))
        await asyncio.gather(
            self._copy(from_client, server, None), self._copy(from_server, client, server)
        )

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.port, Path):
            return await asyncio.open_unix_connection(self.port)
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def _copy(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answers: asyncio.StreamWriter | None,
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                if answers is not None and self.budget is not None:
                    data, self.budget = data[: self.budget], self.budget - len(data)
                writer.write(data)
                await writer.drain()
                if answers is not None and self.budget is not None and self.budget <= 0:
                    self.budget = None
                    writer.close()
                    answers.transport.abort()
                    return
        # A strand's server side stays as it is.
        if answers is not None:
            writer.close()
