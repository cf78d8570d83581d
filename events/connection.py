"""Events and commands of the connection itself."""

from dataclasses import dataclass
from datetime import datetime

from marshmallow import fields

from events.base import Audience, Command, Event
from events.fields import Count, Id, IdOrText, Schema, Time


@dataclass(frozen=True)
class AuthExpired(Event):
    """The token of this connection expired; it loses its rooms after `graceMs` milliseconds."""

    name = "auth:expired"
    audience = Audience("{sid}")
    durable = False

    sid: str
    grace_ms: int

    class Payload(Schema):
        grace_ms = Count(required=True)


@dataclass(frozen=True)
class ServerDraining(Event):
    """The server is about to stop; come back after `reconnectInMs` milliseconds."""

    name = "server:draining"
    audience = Audience("{sid}")
    durable = False

    sid: str
    reconnect_in_ms: int

    class Payload(Schema):
        reconnect_in_ms = Count(required=True)


@dataclass(frozen=True)
class Resync(Event):
    """What came after the cursor in `auth.after` cannot all be told: load the snapshot again.

    Sent right before the answer to CONNECT; what is told from `cursor` on follows.
    """

    name = "resync"
    audience = Audience("{sid}")
    durable = False

    sid: str
    cursor: str

    class Payload(Schema):
        cursor = fields.String(required=True)


@dataclass(frozen=True)
class Pong(Event):
    """The answer to `ping`, with the server's time."""

    name = "pong"
    audience = Audience("{sid}")
    durable = False

    sid: str
    at: datetime

    class Payload(Schema):
        at = Time(required=True)


class Ping(Command):
    """Ask whether the server is there; it answers with `pong` and an ack."""

    name = "ping"

    class Payload(Schema):
        pass

    class Answer(Schema):
        at = Time(required=True)


class Identify(Command):
    """Join the rooms of the member whose token this is; `userId` must be that member's id.

    With `after`, a cursor, what came since then is told before the ack, which then says whether
    that was all (`resync` false), and where the socket is now.
    """

    name = "user:identify"

    class Payload(Schema):
        user_id = IdOrText(required=True)
        token = fields.String(load_default=None, allow_none=True)
        after = fields.String(load_default=None, allow_none=True)

    class Answer(Schema):
        optional = frozenset({"resync", "cursor"})

        user_id = Id(required=True)
        resync = fields.Boolean()
        cursor = fields.String()
