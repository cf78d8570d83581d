"""Socket commands: the twin of HTTP routes. What is raised becomes the ack's envelope."""

import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import structlog
from aiohttp import web

from events.base import Command
from events.fields import instance
from server.errors import ClubError, Forbidden, InternalError, Invalid, Unauthorized, Unavailable
from server.identity import MEMBER_ROLES, Member
from server.keys import AUTH, CONFIG, SIO, SOCKETS
from server.web.body import load

if TYPE_CHECKING:
    from server.realtime.sockets import Socket  # noqa: F401 (named in a quoted type)

log = structlog.get_logger(__name__)

Handler = Callable[[web.Application, "Socket", dict[str, Any]], Awaitable[dict[str, Any]]]


class UnknownEvent(ClubError):
    code = "unknown_event"
    sentence = "There is no such event."


class Commands:
    """The commands of one feature, collected by a decorator and bound to the shared `sio`."""

    def __init__(self) -> None:
        self.all: dict[type[Command], Handler] = {}

    def on(self, command: type[Command]) -> Callable[[Handler], Handler]:
        def keep(handler: Handler) -> Handler:
            self.all[command] = handler
            return handler

        return keep

    def bind(self, app: web.Application) -> None:
        for command, handler in self.all.items():
            app[SIO].on(command.name, _acked(app, command, handler))


async def member_of(app: web.Application, socket: "Socket") -> Member:
    """The member behind a socket, as now in the database. Raises: Unauthorized."""
    if socket.who is None:
        raise Unauthorized()
    return await member_now(app, socket.who.member.id)


async def member_now(app: web.Application, member_id: int) -> Member:
    """A member as now in the database: a connection outlives roles.

    Raises: Unauthorized; Forbidden for a service, which has no part in the club's life.
    """
    member = await app[AUTH].members.ask(member_id)
    if member is None:
        raise Unauthorized()
    if member.role not in MEMBER_ROLES:
        raise Forbidden()
    return member


def refuse_unknown(app: web.Application) -> None:
    """Answer events that nobody handles, instead of silence."""

    async def unknown(event: str | int, sid: str, *args: Any) -> dict[str, Any]:
        request_id = secrets.token_hex(8)
        log.info("unknown event", event_name=str(event)[:100], sid=sid, request_id=request_id)
        return UnknownEvent().envelope(request_id)

    app[SIO].on("*", unknown)


def _acked(app: web.Application, command: type[Command], handler: Handler) -> Any:
    async def run(sid: str, *args: Any) -> dict[str, Any]:
        request_id = secrets.token_hex(8)
        structlog.contextvars.bind_contextvars(request_id=request_id, sid=sid)
        try:
            socket = app[SOCKETS].get(sid)
            if socket is None:
                raise Unavailable()
            if len(args) > 1:
                raise Invalid("The event takes one object.")
            said = args[0] if args and args[0] is not None else {}
            body = load(command.Payload, said, app[CONFIG])
            answer = await handler(app, socket, body)
            return {"success": True} | instance(command.Answer).dump(answer)
        except ClubError as error:
            return error.envelope(request_id)
        except Exception:
            log.exception("a command failed", command=command.name)
            return InternalError().envelope(request_id)

    return run
