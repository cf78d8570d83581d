"""How a client of the main namespace is let in when there is a log of what was told.

A new one gets a `pid`. One that returns is told what it missed before it is told that it is in:
socket.io-client keeps events until then, and its listeners get them before `connect`.

Invariants
    What has a place in the log is told a client by `Replay.read`, or live, never both: it passes
    by a client that has not settled, and one that has settled keeps it until the rest is read.
    No more is sent to a client than it takes, so the bound on outgoing bytes holds for a replay
    of any length.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from server.engine.client import CONNECTED, Client
from server.engine.packets import Message
from server.engine.recovery import Missed, Recovery, Replay, Return, Ticket
from server.engine.session import CLOSED
from server.engine.socketio_packets import CONNECT

if TYPE_CHECKING:
    from server.engine.socketio_server import Server

#: Why sessions end here, as the disconnect handler is told.
SUPERSEDED = "superseded"
RECOVERY_FAILED = "recovery failed"
BUFFER_EMPTIED = "buffer emptied"

# Sent as one, before a look whether the client takes it: enough to keep a connection busy, and
# far below what may be kept for a client.
_BYTES = 65_536

# Packets that are kept, and how long the longest of them may be: some megabytes in all.
_PACKETS = 2000
_LONGEST = 4096

# Its parts, and how long they are together.
Packet = tuple[tuple[str | bytes, ...], int]


def refuses(environ: dict[str, Any]) -> bool:
    """Whether a client does without, by its handshake; what it says in CONNECT counts more.

    python-socketio's client gives its handlers each argument there is, so one more breaks those
    that take no more: it asks if it wants it. So does websocket-client, on which it may run, and
    which alone has an Origin and no User-Agent.
    """
    query = environ.get("QUERY_STRING", "")
    if "recovery=" in query:
        asked = parse_qs(query).get("recovery", [""])[-1]
        if asked in ("0", "1"):
            return asked == "0"
    agent = environ.get("HTTP_USER_AGENT")
    if agent is None:
        return "HTTP_ORIGIN" in environ
    return "python" in agent.lower() or "websocket-client" in agent.lower()


class Returning:
    """The clients of one server, as far as they may come back."""

    def __init__(self, server: "Server", recovery: Recovery) -> None:
        self._server = server
        self._recovery = recovery
        #: The sessions whose handshake refuses.
        self._refusing: set[str] = set()
        self._by_pid: dict[str, Client] = {}
        #: What was told late, by its place in the log: who returns has often missed the same.
        self._packets: dict[str | None, Packet] = {}

    def opened(self, eio_sid: str, environ: dict[str, Any]) -> None:
        if refuses(environ):
            self._refusing.add(eio_sid)

    def closed(self, eio_sid: str) -> None:
        self._refusing.discard(eio_sid)

    # Coming.

    async def examine(self, client: Client, auth: Any) -> Ticket | None:
        """Before the connect handler runs. Raises: RecoveryUnavailable."""
        auth = auth or {}
        asked = auth.get("recovery")
        client.misses = True
        if not isinstance(asked, bool):
            asked = client.session.sid not in self._refusing
        client.recovers = asked and self._recovery.enabled
        if "after" not in auth and not (client.recovers and "pid" in auth):
            return None
        ticket = await self._recovery.examine(auth, recovers=client.recovers)
        if ticket is not None and ticket.pid is not None and client.session.state != CLOSED:
            self._take_over(client, ticket.pid)
        if ticket is not None and ticket.sid is not None:
            if self._server.manager.client(ticket.sid, client.namespace) is None:
                self._server.manager.rename(client, ticket.sid)
        return ticket

    def _take_over(self, client: Client, pid: str) -> None:
        old = self._by_pid.get(pid)
        if old is not None:
            # It has given that connection up, whatever we still believe of it.
            old.session.close(SUPERSEDED)
        self._keep(client, pid)

    def _keep(self, client: Client, pid: str) -> None:
        client.pid = pid
        self._by_pid[pid] = client

    async def let_in(self, client: Client, ticket: Ticket | None) -> None:
        """After the connect handler; returns with the client in, or its session closed.

        Raises: RecoveryUnavailable.
        """
        if ticket is None:
            client.misses = False
            self._welcome(client, self._recovery.open(client.sid, recovers=client.recovers))
            return
        returning = await self._recovery.resume(client.sid, ticket, recovers=client.recovers)
        if returning.unfinished is not None:
            await self._empty_buffer(client, returning, returning.unfinished)
            return
        await self._tell(client, returning)
        client.misses = False
        returning.settle()
        await self._tell(client, returning)
        if client.session.state != CLOSED:
            self._welcome(client, returning.end())

    async def _empty_buffer(self, client: Client, returning: Return, pid: str) -> None:
        """Let the client give its listeners what came the last time, and come back.

        It keeps events until it is told that it is in, also when the connection breaks before;
        then it comes with the same offset, and all that it got would come a second time. Told
        that it is in, it empties its buffer, and comes back with the offset of what was in there.
        """
        self._send_connect(client, pid)
        await client.session.answered()
        if client.session.state != CLOSED:
            await returning.finished()
        client.session.close(BUFFER_EMPTIED)

    def _welcome(self, client: Client, pid: str | None) -> None:
        if client.pid != pid:
            self.forget(client)
        if pid is not None:
            self._keep(client, pid)
        self._send_connect(client, pid)
        self._server.manager.settle(client)

    def _send_connect(self, client: Client, pid: str | None) -> None:
        data = {"sid": client.sid} if pid is None else {"sid": client.sid, "pid": pid}
        self._server.send_to(client.session, CONNECT, client.namespace, data)

    # What was missed.

    async def replay(self, client: Client, replay: Replay, enter: Any) -> None:
        """Tell a client that is in what it has missed, and let it `enter` rooms on the way.

        `enter` is called between what was missed and what comes live. Raises:
        RecoveryUnavailable.
        """
        await self._tell(client, replay)
        if client.state != CONNECTED:
            return
        manager = self._server.manager
        manager.hold(client)
        try:
            enter()
            replay.settle()
            await self._tell(client, replay)
        finally:
            manager.release(client)

    async def _tell(self, client: Client, replay: Replay) -> None:
        session = client.session
        while session.state != CLOSED and (missed := await replay.read()):
            for message in self._messages(client, missed):
                session.send(message)
                await session.drained()

    def _messages(self, client: Client, missed: list[Missed]) -> Iterator[Message]:
        """Events as few messages: each is one write."""
        parts: list[str | bytes] = []
        size = 0
        known = self._packets if client.recovers else {}
        for each in missed:
            packet, length = known.get(each.offset) or self._packet(client, each)
            parts += packet
            size += length
            if size >= _BYTES:
                yield Message(*parts)
                parts, size = [], 0
        if parts:
            yield Message(*parts)

    def _packet(self, client: Client, missed: Missed) -> Packet:
        parts = self._server.manager.missed(client, missed).parts
        packet = parts, sum(map(len, parts))
        if missed.offset is not None and client.recovers and packet[1] <= _LONGEST:
            self._packets[missed.offset] = packet
            if len(self._packets) > _PACKETS:
                del self._packets[next(iter(self._packets))]
        return packet

    # Leaving.

    def forget(self, client: Client) -> str | None:
        """Whatever happens now, the client does not come back with what it was given.

        Returns that.
        """
        pid, client.pid = client.pid, None
        if pid is not None and self._by_pid.get(pid) is client:
            del self._by_pid[pid]
        return pid

    def ended(self, client: Client) -> None:
        """The client has said goodbye, or was thrown out."""
        pid = self.forget(client)
        if pid is not None:
            self._recovery.ended(pid)
