"""The club's chat: reading it, writing in it, and keeping it clean."""

from typing import Any

from aiohttp import web
from marshmallow import fields, validate

from events import ChatMessage, ChatRemoved, SendChat
from events.fields import Id, Name, Schema, Time
from events.views import MAX_TEXT, ChatMessageView
from server.club import chat
from server.club.accounts import UserNotFound
from server.db import Transaction
from server.errors import Forbidden, TooManyRequests
from server.identity import Member
from server.keys import DB, EVENT_LOG, LIMITS, SIO
from server.realtime.sockets import Socket
from server.web.auth import require_member
from server.web.body import query, read
from server.web.commands import Commands, member_of
from server.web.paging import PageQuery, cut
from server.web.routes import ANYONE, MEMBER, STAFF, Routes, path_id, success
from server.web.transactions import keyed_transaction, transaction

routes = Routes("chat")
commands = Commands()

# Whoever is to be silent for longer than 30 days should not be in the club.
_MOST_MINUTES = 30 * 24 * 60


class ChatBody(Schema):
    text = Name(required=True, max=MAX_TEXT, setting="chat_text_max")


class MuteBody(Schema):
    user_id = Id(required=True)
    minutes = fields.Integer(
        required=True, strict=True, validate=validate.Range(0, _MOST_MINUTES)
    )


class ChatAnswer(Schema):
    messages = fields.List(fields.Nested(ChatMessageView), required=True)
    next = Id(required=True, allow_none=True)


class LineAnswer(Schema):
    message = fields.Nested(ChatMessageView, required=True)


class MutedAnswer(Schema):
    until = Time(required=True)


@routes.get("/api/chat", who=ANYONE, query=PageQuery, answer=ChatAnswer)
async def list_chat(request: web.Request) -> web.Response:
    """The last messages of the chat, newest first."""
    page = await query(request, PageQuery)
    async with request.app[DB].connection() as connection:
        found = await chat.list_lines(
            connection, before=page["before"], limit=page["limit"] + 1
        )
    lines, next_ = cut(found, page["limit"])
    return success(request, messages=lines, next=next_)


@routes.post(
    "/api/chat",
    who=MEMBER,
    body=ChatBody,
    answer=LineAnswer,
    status=201,
    errors=(chat.Muted, TooManyRequests),
    tells=(ChatMessage,),
    takes_key=True,
)
async def say(request: web.Request) -> web.Response:
    """Write in the chat."""
    member = require_member(request)
    body = await read(request, ChatBody)
    await request.app[LIMITS].chat.take(member.id)
    async with keyed_transaction(request) as said:
        return said.answer(message=await _say(request.app, said.tx, member, body["text"]))


@commands.on(SendChat)
async def say_by_socket(
    app: web.Application, socket: Socket, body: dict[str, Any]
) -> dict[str, Any]:
    """Write in the chat."""
    member = await member_of(app, socket)
    await app[LIMITS].chat.take(member.id)
    async with app[DB].transaction() as tx:
        return {"message": await _say(app, tx, member, body["text"])}


async def _say(app: web.Application, tx: Transaction, member: Member, text: str) -> chat.Line:
    line = await chat.say(tx, member, text)
    await app[SIO].emit(ChatMessage.of(line), tx=tx)
    return line


@routes.delete(
    "/api/chat/{id}", who=STAFF, errors=(chat.LineNotFound,), tells=(ChatRemoved,)
)
async def remove_line(request: web.Request) -> web.Response:
    """Take a message out of the chat; whoever hears of it later hears no text."""
    member, line_id = require_member(request), path_id(request)
    async with transaction(request) as tx:
        await chat.remove(tx, member, line_id)
        request.app[EVENT_LOG].blank(tx, line_id)
        await request.app[SIO].emit(ChatRemoved(line_id), tx=tx)
    return success(request)


@routes.post(
    "/api/chat/mutes",
    who=STAFF,
    body=MuteBody,
    answer=MutedAnswer,
    errors=(UserNotFound, Forbidden),
)
async def mute(request: web.Request) -> web.Response:
    """Let a member write nothing in the chat for so many minutes; 0 ends it."""
    member = require_member(request)
    body = await read(request, MuteBody)
    async with transaction(request) as tx:
        until = await chat.mute(tx, member, **body)
    return success(request, until=until)
