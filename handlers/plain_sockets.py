"""`/ws/stream` and `/ws`: the same events over WebSockets without Socket.IO."""

from collections.abc import Mapping
from typing import Any

import structlog
from aiohttp import web
from marshmallow import fields

from events import DialogTyping, Subscribe, Subscribed, Typing
from events.fields import IdOrText, Schema
from server.club import dialogs
from server.engine import Rate
from server.errors import ClubError, Forbidden, NotYourself, Unauthorized
from server.identity import Listener, SignedIn
from server.keys import ADDRESS, CONFIG, DB, FEEDS, LIMITS, SIO
from server.realtime import wire
from server.realtime.cursor import Cursor
from server.realtime.feeds import WS, WS_STREAM
from server.realtime.plain_socket import Answer, PlainSocket, UnknownType
from server.web.auth import listens_to_stream
from server.web.body import load, query
from server.web.commands import member_now
from server.web.routes import ANYONE, Routes

log = structlog.get_logger(__name__)

routes = Routes("sockets")


class UpgradeRequired(ClubError):
    status = 426
    code = "upgrade_required"
    sentence = "Open this address as a WebSocket."


class OriginRefused(Forbidden):
    code = "origin_refused"
    sentence = "Pages of this origin are not let in."


class StreamQuery(Schema):
    after = fields.String(load_default=None)
    token = fields.String(load_default=None)


class SocketQuery(StreamQuery):
    user_id = IdOrText(required=True)


@routes.get("/ws/stream", who=ANYONE, query=StreamQuery, hidden=True)
async def stream(request: web.Request) -> web.StreamResponse:
    """Everything that somebody hears, as `{type, detail, cursor}`."""
    _check_origin(request)
    asked = await query(request, StreamQuery)
    who = await listens_to_stream(request)
    return await _serve(request, WS_STREAM, asked["after"], who, "welcome", _pong)


@routes.get("/ws", who=ANYONE, query=SocketQuery, hidden=True)
async def socket(request: web.Request) -> web.StreamResponse:
    """Everything that one member hears; `subscribe` says of which dialogs, and `dialog:typing`
    tells the others in one."""
    _check_origin(request)
    asked = await query(request, SocketQuery)
    who = await listens_to_stream(request)
    if who is None:
        raise Unauthorized()
    if who.member.id != asked["user_id"]:
        raise NotYourself()
    answer = _of_member(request.app, who.member.id)
    return await _serve(request, WS, asked["after"], who, "connected", answer)


def _check_origin(request: web.Request) -> None:
    if not request.app[SIO].eio.allows_origin(request):
        raise OriginRefused()


async def _serve(
    request: web.Request,
    door: str,
    after: str | None,
    who: SignedIn[Listener] | None,
    hello: str,
    answer: Answer,
) -> web.StreamResponse:
    config, address = request.app[CONFIG], request[ADDRESS]
    response = web.WebSocketResponse(
        heartbeat=config.stream_heartbeat_s,
        # How long the client has to answer our close.
        timeout=config.drain_s,
        # Compressed, one text could not be made for all; and each client would hold a window.
        compress=False,
        max_msg_size=config.stream_message_max_bytes,
    )
    if not response.can_prepare(request):
        raise UpgradeRequired()
    client = PlainSocket(
        request,
        response,
        Rate(config.engine["events_per_second"], int(config.engine["events_burst"])),
        write_timeout_s=config.stream_write_timeout_s,
    )
    position = None if after is None else Cursor.parse(after)
    with request.app[FEEDS].open(
        door, address=address, who=who, after=position, client=client
    ) as feed:
        first = await feed.start()
        await response.prepare(request)
        detail = {"userId": who and who.member.id}
        greeting = wire.greeting(hello, detail, feed.began)
        await client.serve(
            feed, greeting, first, answer, heartbeat_s=config.stream_heartbeat_s
        )
        log.info("stream closed", door=door, member=detail["userId"], reason=feed.ended)
    return response


async def _pong(type_: str, said: Mapping[str, Any]) -> bytes | None:
    if type_ == "ping":
        return wire.PONG
    if type_ == "pong":
        # The answer to our own.
        return None
    raise UnknownType()


def _of_member(app: web.Application, member_id: int) -> Answer:
    async def answer(type_: str, said: Mapping[str, Any]) -> bytes | None:
        if type_ == Subscribe.name:
            return await _subscribe(app, member_id, said)
        if type_ == Typing.name:
            await _typing(app, member_id, said)
            return None
        return await _pong(type_, said)

    return answer


async def _subscribe(app: web.Application, member_id: int, said: Mapping[str, Any]) -> bytes:
    asked = load(Subscribe.Payload, said, app[CONFIG])["dialog_ids"]
    member = await member_now(app, member_id)
    async with app[DB].connection() as connection:
        heard = await dialogs.heard(connection, member, asked)
    return wire.greeting(Subscribed.name, {"dialogIds": heard})


async def _typing(app: web.Application, member_id: int, said: Mapping[str, Any]) -> None:
    dialog_id = load(Typing.Payload, said, app[CONFIG])["dialog_id"]
    await app[LIMITS].typing.take(member_id)
    member = await member_now(app, member_id)
    async with app[DB].connection() as connection:
        await dialogs.enter(connection, member, dialog_id)
    await app[SIO].emit(DialogTyping(dialog_id, member_id))
