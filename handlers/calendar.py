"""The calendar: events, invitations, answers."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from marshmallow import fields, validate

from events import (
    EventCancelled,
    EventUpdated,
    InvitationNew,
    NotificationNew,
    ParticipantUpdated,
)
from events.fields import MAX_ID, Choice, Id, Name, Schema, Text, Time, instance
from events.views import (
    VISIBILITIES,
    CalendarEventFacts,
    EventNotice,
    NameView,
    ParticipantView,
)
from server.club import calendar
from server.club.accounts import UserNotFound
from server.club.calendar import CalendarEvent, Changed, Draft, Participant
from server.club.notifications import Notice
from server.db import Transaction
from server.errors import Invalid, TooManyRequests
from server.identity import Member
from server.keys import CONFIG, DB, LIMITS, SIO
from server.telling import notify
from server.web.auth import require_member
from server.web.body import query, read
from server.web.paging import MAX_LIMIT, cut
from server.web.routes import MEMBER, Routes, path_id, success
from server.web.transactions import keyed_transaction, transaction

routes = Routes("calendar")

# More than anybody looks at; a year by month needs twelve requests.
_LONGEST_WINDOW = timedelta(days=366)
_DEFAULT_WINDOW = timedelta(days=31)
_MAX_CAPACITY = 100_000
_MAX_INVITED = 1000


class UserIds(fields.List):
    """Ids of members."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(Id(), validate=validate.Length(max=_MAX_INVITED), **kwargs)


class EventBody(Schema):
    title = Name(required=True, max=200)
    description = Text(max=4000, lines=True, load_default="")
    location = Text(max=200, load_default="")
    starts_at = Time(required=True)
    ends_at = Time(required=True)
    capacity = fields.Integer(
        strict=True,
        load_default=None,
        allow_none=True,
        validate=validate.Range(1, _MAX_CAPACITY),
    )
    visibility = Choice(*VISIBILITIES, load_default="private")
    invite = UserIds(load_default=())


class InvitationsBody(Schema):
    user_ids = UserIds(required=True)


class AnswerBody(Schema):
    status = Choice("accepted", "declined", "tentative", required=True)


class EventsQuery(Schema):
    """`from` is now and `to` a month later unless they are said; at most 366 days.

    `after` is what `next` of the page before named.
    """

    since = Time(data_key="from", load_default=None)
    until = Time(data_key="to", load_default=None)
    after = fields.Integer(load_default=None, validate=validate.Range(1, MAX_ID))
    limit = fields.Integer(load_default=MAX_LIMIT, validate=validate.Range(1, MAX_LIMIT))


class ParticipantNameView(NameView):
    """Who a participant is."""

    id = Id(required=True, attribute="user_id")


class CalendarEventView(CalendarEventFacts):
    """An event with who comes, and which of the member's own events it overlaps.

    `people` are the names of the participants, in the same order.
    """

    participants = fields.List(fields.Nested(ParticipantView), required=True)
    people = fields.List(fields.Nested(ParticipantNameView), required=True)
    overlaps = fields.List(Id(), required=True)


class EventsAnswer(Schema):
    events = fields.List(fields.Nested(CalendarEventView), required=True)
    next = Id(required=True, allow_none=True)


class EventAnswer(Schema):
    event = fields.Nested(CalendarEventView, required=True)


class ParticipantsAnswer(Schema):
    participants = fields.List(fields.Nested(ParticipantView), required=True)


class ParticipantAnswer(Schema):
    participant = fields.Nested(ParticipantView, required=True)
    waitlisted = fields.Boolean(required=True)


@routes.get("/api/events", who=MEMBER, query=EventsQuery, answer=EventsAnswer)
async def list_events(request: web.Request) -> web.Response:
    """What the member may see of a time: public events, own ones, and invitations."""
    member = require_member(request)
    asked = await query(request, EventsQuery)
    since = asked["since"] or datetime.now(UTC)
    try:
        until = asked["until"] or since + _DEFAULT_WINDOW
    except OverflowError:
        raise Invalid("from: Too late.", fields={"from": ["Too late."]}) from None
    if not timedelta() < until - since <= _LONGEST_WINDOW:
        problem = "Must be after `from`, by at most 366 days."
        raise Invalid(f"to: {problem}", fields={"to": [problem]})
    async with request.app[DB].connection() as connection:
        found = await calendar.list_events(
            connection,
            member,
            since=since,
            until=until,
            after=asked["after"],
            limit=asked["limit"] + 1,
        )
    page, next_ = cut(found, asked["limit"])
    return success(request, events=page, next=next_)


@routes.get(
    "/api/events/{id}", who=MEMBER, answer=EventAnswer, errors=(calendar.EventNotFound,)
)
async def get_event(request: web.Request) -> web.Response:
    """One event."""
    member = require_member(request)
    async with request.app[DB].connection() as connection:
        event = await calendar.get(connection, member, path_id(request))
    return success(request, event=event)


@routes.post(
    "/api/events",
    who=MEMBER,
    body=EventBody,
    answer=EventAnswer,
    status=201,
    errors=(
        calendar.BadTimes,
        UserNotFound,
        calendar.TooManyEvents,
        calendar.EventCrowded,
        TooManyRequests,
    ),
    tells=(EventUpdated, InvitationNew, NotificationNew),
    takes_key=True,
)
async def create_event(request: web.Request) -> web.Response:
    """Add an event; its maker owns it, and takes a seat only by accepting."""
    member = await _require_pace(request)
    draft, invite = await _read_event(request)
    async with keyed_transaction(request) as adds:
        monthly = request.app[CONFIG].events_per_month
        done = await calendar.create(
            adds.tx, member, draft, invite, most=_most(request), monthly=monthly
        )
        await tell_event(request.app, adds.tx, member, done)
        return adds.answer(event=done.event)


@routes.put(
    "/api/events/{id}",
    who=MEMBER,
    body=EventBody,
    answer=EventAnswer,
    errors=(
        calendar.EventNotFound,
        calendar.EventCancelled,
        calendar.BadTimes,
        UserNotFound,
        calendar.EventCrowded,
        TooManyRequests,
    ),
    tells=(EventUpdated, InvitationNew, ParticipantUpdated, NotificationNew),
)
async def change_event(request: web.Request) -> web.Response:
    """Change an event as a whole: its owner, or staff."""
    member = await _require_pace(request)
    draft, invite = await _read_event(request)
    async with transaction(request) as tx:
        done = await calendar.change(
            tx,
            member,
            path_id(request),
            draft,
            invite,
            most=_most(request),
        )
        await tell_event(request.app, tx, member, done)
    return success(request, event=done.event)


@routes.delete(
    "/api/events/{id}",
    who=MEMBER,
    answer=EventAnswer,
    errors=(calendar.EventNotFound,),
    tells=(EventCancelled, NotificationNew),
)
async def cancel_event(request: web.Request) -> web.Response:
    """Call an event off: its owner, or staff. It stays, marked."""
    member = require_member(request)
    async with transaction(request) as tx:
        done = await calendar.cancel(tx, member, path_id(request))
        if done.changed:
            for user_id in done.event.listeners():
                await request.app[SIO].emit(EventCancelled.of(user_id, done.event), tx=tx)
            concerned = done.event.concerned(but=member.id)
            await notify(request.app, tx, _notices("event_cancelled", done.event, concerned))
    return success(request, event=done.event)


@routes.post(
    "/api/events/{id}/invitations",
    who=MEMBER,
    body=InvitationsBody,
    answer=ParticipantsAnswer,
    errors=(
        calendar.EventNotFound,
        calendar.EventCancelled,
        UserNotFound,
        calendar.EventCrowded,
        TooManyRequests,
    ),
    tells=(InvitationNew, EventUpdated, NotificationNew),
)
async def invite_to_event(request: web.Request) -> web.Response:
    """Invite members: the event's owner, or staff."""
    member = await _require_pace(request)
    body = await read(request, InvitationsBody)
    async with transaction(request) as tx:
        done = await calendar.invite(
            tx, member, path_id(request), body["user_ids"], most=_most(request)
        )
        await tell_event(request.app, tx, member, done)
    return success(request, participants=done.event.participants)


@routes.put(
    "/api/events/{id}/participants/me",
    who=MEMBER,
    body=AnswerBody,
    answer=ParticipantAnswer,
    errors=(
        calendar.EventNotFound,
        calendar.EventCancelled,
        calendar.EventCrowded,
        TooManyRequests,
    ),
    tells=(ParticipantUpdated, NotificationNew),
)
async def answer_event(request: web.Request) -> web.Response:
    """Say whether one comes; `waitlisted`: no seat is free, and one waits for it."""
    member = await _require_pace(request)
    body = await read(request, AnswerBody)
    async with transaction(request) as tx:
        done = await calendar.answer(
            tx, member, path_id(request), body["status"], most=_most(request)
        )
        own = await tell_answer(request.app, tx, member, done)
    return success(request, participant=own, waitlisted=own.waitlisted)


async def _require_pace(request: web.Request) -> Member:
    """The member who asks, if not too often: what is done here is told to many.

    Raises: TooManyRequests.
    """
    member = require_member(request)
    if not member.is_staff:
        await request.app[LIMITS].calendar.take(member.id)
    return member


async def _read_event(request: web.Request) -> tuple[Draft, list[int]]:
    body = await read(request, EventBody)
    invite = body.pop("invite")
    draft = Draft(**body)
    # RFC 5545 §3.3.5 has whole seconds.
    draft = replace(
        draft,
        starts_at=draft.starts_at.replace(microsecond=0),
        ends_at=draft.ends_at.replace(microsecond=0),
    )
    return draft, invite


def _most(request: web.Request) -> int:
    return request.app[CONFIG].participants_max


async def tell_event(
    app: web.Application, tx: Transaction, member: Member, done: Changed
) -> None:
    """What a member changed or made, who is invited, who got a seat."""
    event, sio = done.event, app[SIO]
    invited = set(done.invited)
    for user_id in event.listeners():
        if user_id in invited:
            await sio.emit(InvitationNew.of(user_id, event), tx=tx)
        elif done.changed:
            await sio.emit(EventUpdated.of(user_id, event), tx=tx)
    await _tell_participants(app, tx, event, done.promoted)
    notices = _notices("invitation", event, [each for each in invited if each != member.id])
    if done.moved:
        concerned = [each for each in event.concerned(but=member.id) if each not in invited]
        notices += _notices("event_changed", event, concerned)
    notices += _notices("promoted", event, [each.user_id for each in done.promoted])
    await notify(app, tx, notices)


async def tell_answer(
    app: web.Application, tx: Transaction, member: Member, done: Changed
) -> Participant:
    """What a member answered, and who got a seat by it. Returns the member's part."""
    own = done.event.participant(member.id)
    assert own is not None
    if done.changed:
        await _tell_participants(app, tx, done.event, [own, *done.promoted])
        promoted = [each.user_id for each in done.promoted]
        await notify(app, tx, _notices("promoted", done.event, promoted))
    return own


async def _tell_participants(
    app: web.Application, tx: Transaction, event: CalendarEvent, answers: Sequence[Participant]
) -> None:
    for answer in answers:
        for to in event.listeners():
            await app[SIO].emit(
                ParticipantUpdated(
                    to, event.id, answer.user_id, answer.status, answer.waitlisted
                ),
                tx=tx,
            )


def _notices(kind: str, event: CalendarEvent, user_ids: list[int]) -> list[Notice]:
    data = instance(EventNotice).dump(event)
    # What was told of a change before is out of date with the next one.
    key = f"event:{event.id}" if kind in ("event_changed", "event_cancelled") else None
    return [Notice(user_id, kind, data, key) for user_id in user_ids]
