"""The connection: who comes, who it is, who leaves."""

from datetime import UTC, datetime
from typing import Any

import structlog
from aiohttp import web
from socketio.exceptions import ConnectionRefusedError

from events import Identify, Ping, Pong
from server.errors import ClubError, InvalidToken, NotYourself, Unauthorized
from server.identity import Listener, SignedIn
from server.keys import AUTH, DEPARTURES, SIO, SOCKETS
from server.realtime.cursor import BadCursor, Cursor
from server.realtime.sockets import Socket
from server.web.commands import Commands

log = structlog.get_logger(__name__)

commands = Commands()


def bind(app: web.Application) -> None:
    """Take part in the life of every socket."""
    sio = app[SIO]

    async def connect(sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        address = environ["REMOTE_ADDR"]
        structlog.contextvars.bind_contextvars(sid=sid)
        try:
            who = await _who_connects(app, auth)
            socket = app[SOCKETS].add(sid, address)
            if who is not None:
                await app[SOCKETS].identify(socket, who)
        except ClubError as error:
            # Nobody says goodbye for one that was not let in.
            app[SOCKETS].remove(sid)
            log.info("connect refused", code=error.code, address=address)
            raise ConnectionRefusedError(str(error), {"code": error.code}) from None
        log.info(
            "connected",
            transport=app[SOCKETS].transport(socket),
            address=socket.address,
            member=who.member.id if who else None,
        )

    async def disconnect(sid: str, reason: str) -> None:
        socket = app[SOCKETS].remove(sid)
        if socket is not None:
            member = socket.who.member.id if socket.who else None
            app[DEPARTURES].note(member, socket.address, "socket.io", reason)
            log.info("disconnected", sid=sid, reason=reason, member=member)

    sio.on("connect", connect)
    sio.on("disconnect", disconnect)


async def _who_connects(app: web.Application, auth: Any) -> SignedIn[Listener] | None:
    token = auth.get("token") if isinstance(auth, dict) else None
    if token is None:
        return None
    if not isinstance(token, str):
        raise InvalidToken()
    return await app[AUTH].listener(token)


@commands.on(Identify)
async def identify(app: web.Application, socket: Socket, body: dict[str, Any]) -> dict[str, Any]:
    """Join the rooms of the member whose token this is."""
    if body["token"] is not None:
        who = await app[AUTH].listener(body["token"])
    elif socket.who is not None and socket.who.expires_at > datetime.now(UTC):
        who = socket.who
    else:
        raise Unauthorized()
    # Staff hear players where the club says so, never by taking their place.
    if who.member.id != body["user_id"]:
        log.warning("identify refused", member=who.member.id, claimed=body["user_id"])
        raise NotYourself()
    answer: dict[str, Any] = {"user_id": who.member.id}
    if body["after"] is None:
        await app[SOCKETS].identify(socket, who)
    else:
        continued = await app[SOCKETS].continue_as(socket, who, _place(body["after"]))
        answer |= {"resync": continued.resync, "cursor": str(continued.cursor)}
    log.info("identified", member=who.member.id, role=who.member.role)
    return answer


def _place(text: str) -> Cursor | None:
    """A cursor that cannot be read is one that cannot be continued."""
    try:
        return Cursor.parse(text)
    except BadCursor:
        return None


@commands.on(Ping)
async def ping(app: web.Application, socket: Socket, body: dict[str, Any]) -> dict[str, Any]:
    """Say that the server is there."""
    now = datetime.now(UTC)
    await app[SIO].emit(Pong(socket.sid, now))
    return {"at": now}
