"""Dialogs: members with the staff, and with each other."""

from collections.abc import Iterable
from typing import Any

from aiohttp import web
from marshmallow import ValidationError, fields, validate, validates_schema

from events import (
    DialogJoined,
    DialogLeft,
    DialogTyping,
    DialogUpdate,
    NewMessage,
    NotificationNew,
    SendMessage,
    Subscribe,
    Subscribed,
    Typing,
)
from events.fields import Choice, Count, Id, Prose, Schema, Text, instance
from events.views import DIALOG_STATUSES, MAX_TEXT, DialogView, MessageView, PersonView
from server.club import dialogs
from server.club.accounts import UserNotFound
from server.club.notifications import Notice
from server.db import Transaction
from server.errors import Forbidden, TooManyRequests
from server.identity import Member
from server.keys import CONFIG, DB, LIMITS, SIO
from server.realtime.sockets import Socket
from server.telling import notify
from server.web.auth import require_member
from server.web.body import query, read
from server.web.commands import Commands, member_of
from server.web.paging import PageQuery, cut
from server.web.routes import MEMBER, STAFF, Routes, path_id, success
from server.web.transactions import keyed_transaction, transaction

routes = Routes("dialogs")
commands = Commands()

# To so many players a message is told for the price of one more.
_PLAYERS_OF_A_TURN = 10


class DialogsQuery(PageQuery):
    """`before` is the last message of the dialog where the page before ended."""

    status = Choice(*DIALOG_STATUSES, load_default=None)
    assignee = Choice("me", "none", load_default=None)


class NewDialog(Schema):
    subject = Text(max=MAX_TEXT, setting="dialog_subject_max", load_default="")
    member_ids = fields.List(Id(), load_default=(), validate=validate.Length(max=1000))
    text = Prose(required=True, max=MAX_TEXT, setting="dialog_text_max")


class NewMessageBody(Schema):
    text = Prose(required=True, max=MAX_TEXT, setting="dialog_text_max")
    local_id = Text(min=1, max=64, load_default=None, allow_none=True)
    internal = fields.Boolean(load_default=False, truthy={True}, falsy={False})


class ReadBody(Schema):
    message_id = Id(required=True)


class DialogBody(Schema):
    status = Choice(*DIALOG_STATUSES)
    assignee_id = Id(allow_none=True)

    @validates_schema
    def something(self, values: dict[str, Any], **_: Any) -> None:
        """Raises: ValidationError."""
        if not values:
            raise ValidationError("Say status, assigneeId, or both.")


class ReplyNotice(Schema):
    """What a notification tells of a dialog in which somebody wrote to the member."""

    dialog_id = Id(required=True)
    subject = Text(max=MAX_TEXT, required=True)
    message_id = Id(required=True)
    sender = fields.Nested(PersonView, required=True)


class DialogsAnswer(Schema):
    dialogs = fields.List(fields.Nested(DialogView), required=True)
    next = Id(required=True, allow_none=True)


class DialogAnswer(Schema):
    dialog = fields.Nested(DialogView, required=True)


class MessagesAnswer(Schema):
    messages = fields.List(fields.Nested(MessageView), required=True)
    next = Id(required=True, allow_none=True)


class MessageAnswer(Schema):
    message = fields.Nested(MessageView, required=True)


class ReadAnswer(Schema):
    unread = Count(required=True)


@routes.get(
    "/api/dialogs",
    who=MEMBER,
    query=DialogsQuery,
    answer=DialogsAnswer,
    errors=(Forbidden,),
)
async def list_dialogs(request: web.Request) -> web.Response:
    """The member's dialogs, for staff everybody's; those last written in come first.

    Staff may ask for those of one `assignee`: themselves (me), or nobody (none).
    """
    member = require_member(request)
    page = await query(request, DialogsQuery)
    async with request.app[DB].connection() as connection:
        found = await dialogs.list_dialogs(
            connection,
            member,
            status=page["status"],
            assignee=page["assignee"],
            before=page["before"],
            limit=page["limit"] + 1,
        )
    shown, next_ = cut(found, page["limit"], lambda dialog: dialog.last_message.id)
    return success(request, dialogs=shown, next=next_)


@routes.post(
    "/api/dialogs",
    who=MEMBER,
    body=NewDialog,
    answer=DialogAnswer,
    status=201,
    errors=(
        UserNotFound,
        dialogs.TooManyMembers,
        dialogs.TooManyDialogs,
        TooManyRequests,
    ),
    tells=(DialogJoined, NewMessage, DialogUpdate, NotificationNew),
    takes_key=True,
)
async def begin_dialog(request: web.Request) -> web.Response:
    """Begin a dialog with the staff, and with the members that are named."""
    member = require_member(request)
    body = await read(request, NewDialog)
    app = request.app
    await _take_turn(app, member)
    if not member.is_staff:
        await app[LIMITS].dialogs.take(member.id)
    async with keyed_transaction(request) as begins:
        begun = await dialogs.create(begins.tx, member, **body, limits=limits_of(app))
        await _take_turns_of_many(app, member, begun)
        await tell_message(app, begins.tx, begun)
        return begins.answer(dialog=begun.dialog)


@routes.get(
    "/api/dialogs/{id}",
    who=MEMBER,
    answer=DialogAnswer,
    errors=(dialogs.DialogNotFound,),
)
async def get_dialog(request: web.Request) -> web.Response:
    """One dialog, as it stands in the list."""
    member = require_member(request)
    async with request.app[DB].connection() as connection:
        dialog = await dialogs.one(connection, member, path_id(request))
    return success(request, dialog=dialog)


@routes.patch(
    "/api/dialogs/{id}",
    who=STAFF,
    body=DialogBody,
    answer=DialogAnswer,
    errors=(dialogs.DialogNotFound, dialogs.AssigneeNotStaff),
    tells=(DialogUpdate,),
)
async def edit_dialog(request: web.Request) -> web.Response:
    """Give a dialog another status, or to somebody of the staff (null: to nobody)."""
    member = require_member(request)
    body = await read(request, DialogBody)
    async with transaction(request) as tx:
        changed = await dialogs.edit(tx, member, path_id(request), **body)
        await _tell_updates(request.app, tx, changed.updates)
    return success(request, dialog=changed.dialog)


@routes.get(
    "/api/dialogs/{id}/messages",
    who=MEMBER,
    query=PageQuery,
    answer=MessagesAnswer,
    errors=(dialogs.DialogNotFound,),
)
async def list_messages(request: web.Request) -> web.Response:
    """What was written in a dialog, newest first."""
    member = require_member(request)
    page = await query(request, PageQuery)
    async with request.app[DB].connection() as connection:
        found = await dialogs.history(
            connection,
            member,
            path_id(request),
            before=page["before"],
            limit=page["limit"] + 1,
        )
    messages, next_ = cut(found, page["limit"])
    return success(request, messages=messages, next=next_)


@routes.post(
    "/api/dialogs/{id}/messages",
    who=MEMBER,
    body=NewMessageBody,
    answer=MessageAnswer,
    status=201,
    errors=(dialogs.DialogNotFound, Forbidden, TooManyRequests),
    tells=(NewMessage, DialogUpdate, NotificationNew),
)
async def send_message(request: web.Request) -> web.Response:
    """Write in a dialog; a `localId` that came before is answered with its message."""
    member = require_member(request)
    body = await read(request, NewMessageBody)
    sent = await _send(request.app, member, path_id(request), **body)
    return success(request, message=sent)


@commands.on(SendMessage)
async def send_by_socket(
    app: web.Application, socket: Socket, body: dict[str, Any]
) -> dict[str, Any]:
    """Write in a dialog."""
    return {"message": await _send(app, await member_of(app, socket), **body)}


async def _send(
    app: web.Application, member: Member, dialog_id: int, **body: Any
) -> dialogs.Message:
    await _take_turn(app, member)
    async with app[DB].transaction() as tx:
        sent = await dialogs.send(tx, member, dialog_id, **body)
        if sent.updates:
            await _take_turns_of_many(app, member, sent)
            await tell_message(app, tx, sent)
    return sent.message


@routes.post(
    "/api/dialogs/{id}/read",
    who=MEMBER,
    body=ReadBody,
    answer=ReadAnswer,
    errors=(dialogs.DialogNotFound, dialogs.MessageNotFound),
    tells=(DialogUpdate,),
)
async def read_dialog(request: web.Request) -> web.Response:
    """Say that everything up to a message was read; `unread` is what came after it."""
    member = require_member(request)
    body = await read(request, ReadBody)
    async with transaction(request) as tx:
        done = await dialogs.read(tx, member, path_id(request), **body)
        await _tell_updates(request.app, tx, done.updates)
    return success(request, unread=done.unread)


@routes.put(
    "/api/dialogs/{id}/members/{userId}",
    who=STAFF,
    answer=DialogAnswer,
    errors=(
        dialogs.DialogNotFound,
        UserNotFound,
        dialogs.TooManyMembers,
    ),
    tells=(DialogJoined, DialogUpdate),
)
async def let_in(request: web.Request) -> web.Response:
    """Make somebody a member of a dialog."""
    member, user_id = require_member(request), path_id(request, "userId")
    async with transaction(request) as tx:
        changed = await dialogs.let_in(
            tx, member, path_id(request), user_id, limits=limits_of(request.app)
        )
        if changed.updates:
            await request.app[SIO].emit(DialogJoined(user_id, changed.dialog.id), tx=tx)
            await _tell_updates(request.app, tx, changed.updates)
    return success(request, dialog=changed.dialog)


@routes.delete(
    "/api/dialogs/{id}/members/{userId}",
    who=MEMBER,
    errors=(dialogs.DialogNotFound, UserNotFound, Forbidden),
    tells=(DialogLeft, DialogUpdate),
)
async def take_out(request: web.Request) -> web.Response:
    """Leave a dialog; staff may take others out, too."""
    member, user_id = require_member(request), path_id(request, "userId")
    async with transaction(request) as tx:
        changed = await dialogs.take_out(tx, member, path_id(request), user_id)
        await _tell_updates(request.app, tx, changed.updates)
        await request.app[SIO].emit(DialogLeft(user_id, changed.dialog.id), tx=tx)
    return success(request)


@commands.on(Typing)
async def typing(app: web.Application, socket: Socket, body: dict[str, Any]) -> dict[str, Any]:
    """Tell the others in a dialog that somebody is writing; nobody is told later."""
    member = await member_of(app, socket)
    await app[LIMITS].typing.take(member.id)
    async with app[DB].connection() as connection:
        await dialogs.enter(connection, member, body["dialog_id"])
    await app[SIO].emit(DialogTyping(body["dialog_id"], member.id), skip_sid=socket.sid)
    return {}


@commands.on(Subscribe)
async def subscribe(app: web.Application, socket: Socket, body: dict[str, Any]) -> dict[str, Any]:
    """Say which dialogs the socket hears of."""
    member = await member_of(app, socket)
    async with app[DB].connection() as connection:
        heard = await dialogs.heard(connection, member, body["dialog_ids"])
    await app[SIO].emit(Subscribed(socket.sid, heard))
    return {"dialog_ids": heard}


async def _take_turn(app: web.Application, member: Member) -> None:
    """Raises: TooManyRequests."""
    await app[LIMITS].messages.take(member.id)
    if not member.is_staff:
        await app[LIMITS].messages_of_day.take(member.id)


async def _take_turns_of_many(
    app: web.Application, member: Member, written: dialogs.Sent | dialogs.Begun
) -> None:
    """What is written to many costs more: each of them is told the dialog with all its people.

    Raises: TooManyRequests.
    """
    cost = len(written.updates) // _PLAYERS_OF_A_TURN
    if cost and not member.is_staff:
        await app[LIMITS].messages.take(member.id, cost)
        await app[LIMITS].messages_of_day.take(member.id, cost)


def limits_of(app: web.Application) -> dialogs.DialogLimits:
    config = app[CONFIG]
    return dialogs.DialogLimits(
        config.dialog_members_max, config.dialogs_begun_max, config.dialogs_joined_max
    )


async def tell_message(
    app: web.Application, tx: Transaction, written: dialogs.Sent | dialogs.Begun
) -> None:
    """Tell all that a new message brings about, at whichever door it was written."""
    if isinstance(written, dialogs.Begun):
        for user_id in written.joined:
            await app[SIO].emit(DialogJoined(user_id, written.dialog.id), tx=tx)
    await app[SIO].emit(NewMessage.of(written.message), tx=tx)
    await _tell_updates(app, tx, written.updates)
    if not written.message.internal:
        await notify(app, tx, _replies(written))


def _replies(written: dialogs.Sent | dialogs.Begun) -> list[Notice]:
    """For each player in the dialog but who wrote; one for all that is not read yet."""
    message, key = written.message, f"dialog:{written.message.dialog_id}"
    notices = []
    for user_id, dialog in ((each.user_id, each.dialog) for each in written.updates):
        if user_id is not None and user_id != message.sender.id:
            reply = {
                "dialog_id": dialog.id,
                "subject": dialog.subject,
                "message_id": message.id,
                "sender": message.sender,
            }
            notices.append(Notice(user_id, "reply", instance(ReplyNotice).dump(reply), key))
    return notices


async def _tell_updates(
    app: web.Application, tx: Transaction, updates: Iterable[dialogs.Update]
) -> None:
    for update in updates:
        await app[SIO].emit(DialogUpdate.of(update.user_id, update.dialog), tx=tx)
