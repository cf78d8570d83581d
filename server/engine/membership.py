"""How a client joins a namespace and how it leaves it: the handlers that are asked and told.

A handler nearly always runs to its end at once, so all of it is one coroutine that is started as
`eager` does: whatever can be done without waiting is done without a task.
"""

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from socketio.exceptions import ConnectionRefusedError as Refused

from server.engine.client import CONNECTED, PENDING, Client
from server.engine.manager import Manager
from server.engine.packets import PacketError
from server.engine.recovery import RecoveryUnavailable, Ticket
from server.engine.returning import RECOVERY_FAILED, Returning
from server.engine.session import CLOSED, Session
from server.engine.socketio_packets import CONNECT, CONNECT_ERROR, DISCONNECT

if TYPE_CHECKING:
    from server.engine.socketio_server import Server

RATE_LIMITED = "rate limited"
_INTERNAL_ERROR = {"message": "Internal server error"}


class Membership:
    """The clients of one server as they come and go.

    Without `returning` none comes back: there is no log of what it missed.
    """

    def __init__(self, server: "Server", returning: Returning | None) -> None:
        self._server = server
        self._manager: Manager = server.manager
        self._returning = returning

    # Connecting.

    def join(self, session: Session, namespace: str, auth: Any) -> None:
        """Take a CONNECT. Raises: PacketError."""
        server = self._server
        if not self._is_known(namespace):
            self._refuse(session, namespace, {"message": "Invalid namespace"})
            return
        if self._manager.client_of(session, namespace) is not None:
            raise PacketError("a second CONNECT")
        taken = len(session.others or ()) + (session.client is not None)
        if taken >= server.eio.limits.max_namespaces:
            server.eio.counters.namespaces_refused += 1
            self._refuse(session, namespace, {"message": "Too many namespaces"})
            return
        if not server.admit(session):
            # A connect handler costs more than most events: joining is no way around the bound.
            if session.state != CLOSED:
                self._refuse(session, namespace, {"message": RATE_LIMITED})
            return
        session.connect_due = 0.0
        client = self._manager.enter(session, namespace)
        session.run(self._carefully(self._connect(client, auth)))

    def _is_known(self, namespace: str) -> bool:
        server = self._server
        return (
            namespace in server.handlers
            or namespace in server.namespace_handlers
            or server.namespaces == "*"
            or namespace in server.namespaces
        )

    async def _carefully(self, work: Coroutine[Any, Any, None]) -> None:
        """What is started eagerly must not raise."""
        try:
            await work
        except Exception:
            self._server.logger.exception("a client could not come or go as it should")

    async def _connect(self, client: Client, auth: Any) -> None:
        server, session, namespace = self._server, client.session, client.namespace
        returning = None if namespace != "/" or server.always_connect else self._returning
        ticket = None
        if server.always_connect:
            self._welcome(client)
        elif returning is not None:
            ticket = await self._examine(returning, client, auth)
            if session.state == CLOSED:
                # No handler has heard of it.
                returning.forget(client)
                self._manager.remove(client)
                return
        refusal = await self._ask(client, auth)
        if not server.eio.keep_environ:
            server.environ.pop(session.sid, None)
        if refusal is not None:
            if returning is not None:
                returning.forget(client)
            self._manager.remove(client)
            if server.always_connect:
                server.send_to(session, DISCONNECT, namespace)
            else:
                self._refuse(session, namespace, refusal)
            self._expect_another(session)
            return
        if session.state != CLOSED and not server.always_connect:
            if returning is None:
                self._welcome(client)
            else:
                await self._let_in(returning, client, ticket)
        if session.state == CLOSED and client.state == PENDING:
            # It left while its handler ran: the handler is told, as it would be a moment later.
            self._manager.settle(client)
            await self._part(client, server.reason.TRANSPORT_CLOSE)

    async def _ask(self, client: Client, auth: Any) -> Any | None:
        """Run the connect handler. Returns None, or why the client is refused."""
        server, namespace, sid = self._server, client.namespace, client.sid
        environ = server.environ.get(client.session.sid, {})
        try:
            try:
                success = await server._trigger_event(
                    "connect", namespace, sid, environ, auth or None
                )
            except TypeError:
                if auth:
                    raise
                # A handler of python-socketio's older form, which takes no auth.
                success = await server._trigger_event("connect", namespace, sid, environ)
        except Refused as refused:
            return refused.error_args
        except ConnectionRefusedError:
            return {"message": "Connection refused by server"}
        except (Exception, asyncio.CancelledError):
            server.logger.exception("the connect handler failed")
            return _INTERNAL_ERROR
        return Refused().error_args if success is False else None

    def _welcome(self, client: Client) -> None:
        self._server.send_to(client.session, CONNECT, client.namespace, {"sid": client.sid})
        self._manager.settle(client)

    def _refuse(self, session: Session, namespace: str, refusal: Any) -> None:
        try:
            self._server.send_to(session, CONNECT_ERROR, namespace, refusal)
        except (TypeError, ValueError):
            self._server.logger.exception("JSON cannot say why a client is refused")
            self._server.send_to(session, CONNECT_ERROR, namespace, _INTERNAL_ERROR)

    def _expect_another(self, session: Session) -> None:
        """A session that is in no namespace any more is closed, unless it joins one in time."""
        if session.state != CLOSED and not any(self._manager.clients_of(session)):
            session.expect_connect()

    # Coming back.

    async def _examine(
        self, returning: Returning, client: Client, auth: Any
    ) -> Ticket | None:
        try:
            return await returning.examine(client, auth)
        except Exception as problem:
            self._not_now(client, problem)
            return None

    async def _let_in(
        self, returning: Returning, client: Client, ticket: Ticket | None
    ) -> None:
        try:
            await returning.let_in(client, ticket)
        except Exception as problem:
            self._not_now(client, problem)

    def _not_now(self, client: Client, problem: Exception) -> None:
        logger = self._server.logger
        if isinstance(problem, RecoveryUnavailable):
            logger.info("session %s: no recovery: %s", client.session.sid, problem)
        else:
            logger.error("recovery failed", exc_info=problem)
        # An error would end its attempts; a connection that breaks does not.
        client.session.close(RECOVERY_FAILED)

    # Leaving.

    def leave(self, client: Client) -> None:
        """Take the client's own DISCONNECT."""
        client.session.run(self._carefully(self._leave(client)))

    async def _leave(self, client: Client) -> None:
        self.ended(client)
        await self._part(client, self._server.reason.CLIENT_DISCONNECT)
        self._expect_another(client.session)

    def ended(self, client: Client) -> None:
        """The client does not come back: it has said goodbye, or was thrown out."""
        if self._returning is not None:
            self._returning.ended(client)

    async def throw_out(self, client: Client) -> None:
        """Tell a client that is in to leave, and its handler that it did."""
        self.ended(client)
        # What was told before comes before.
        self._manager.flush(client)
        self._server.send_to(client.session, DISCONNECT, client.namespace)
        self._manager.pre_disconnect(client.sid, client.namespace)
        await self._say_goodbye(client, self._server.reason.SERVER_DISCONNECT)
        self._expect_another(client.session)

    async def lost(self, session: Session, reason: str) -> None:
        """The session has ended: its clients leave. Does not raise."""
        for client in list(self._manager.clients_of(session)):
            await self._part(client, reason)

    async def _part(self, client: Client, reason: str) -> None:
        """Tell the disconnect handler of a client, once, and forget it."""
        if client.state != CONNECTED:
            return
        if self._returning is not None:
            self._returning.forget(client)
        self._manager.leave(client)
        await self._say_goodbye(client, reason)

    async def _say_goodbye(self, client: Client, reason: str) -> None:
        server = self._server
        try:
            await server._trigger_event("disconnect", client.namespace, client.sid, reason)
        except (Exception, asyncio.CancelledError):
            server.logger.exception("the disconnect handler failed")
        finally:
            self._manager.remove(client)
