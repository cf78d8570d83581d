"""Things that look the same everywhere: in an answer, in a list, in an event."""

from marshmallow import fields

from events.fields import AnyJson, Balance, Choice, Count, Id, Money, Prose, Schema, Text, Time

# Whatever the settings allow, no text is longer: it travels in events.
MAX_TEXT = 16_000

ROLES = ("member", "staff", "admin", "service")
DIALOG_STATUSES = ("open", "pending", "resolved")
INVENTORY_STATUSES = ("won", "claimed", "issued", "cancelled")
RARITIES = ("common", "uncommon", "rare", "epic", "legendary")
VISIBILITIES = ("private", "public")
PARTICIPANT_STATUSES = ("needs-action", "accepted", "declined", "tentative")
NOTIFICATION_KINDS = (
    "reply",
    "invitation",
    "event_changed",
    "event_cancelled",
    "reminder",
    "promoted",
    "payment",
    "prize",
)


class ItemView(Schema):
    """A prize."""

    id = Id(required=True)
    name = Text(max=200, required=True)
    image = Text(max=500, required=True)
    rarity = Choice(*RARITIES, required=True)
    value = Money(required=True, attribute="value_minor")


class CaseRef(Schema):
    """The case that something came from."""

    id = Id(required=True)
    name = Text(max=200, required=True)
    image = Text(max=500, required=True)


class NameView(Schema):
    """A member, as others see one."""

    id = Id(required=True)
    username = Text(max=200, required=True)


class DropView(Schema):
    """Somebody won something; the member's name is masked."""

    id = Id(required=True)
    user = Text(max=64, required=True)
    item = fields.Nested(ItemView, required=True)
    case = fields.Nested(CaseRef, required=True)
    at = Time(required=True)


class InventoryItemView(Schema):
    """An entry of the inventory."""

    id = Id(required=True)
    item = fields.Nested(ItemView, required=True)
    case = fields.Nested(CaseRef, required=True)
    status = Choice(*INVENTORY_STATUSES, required=True)
    won_at = Time(required=True)


class PersonView(Schema):
    """Somebody in a dialog."""

    id = Id(required=True)
    username = Text(max=200, required=True)
    role = Choice(*ROLES, required=True)


class MessageView(Schema):
    """A message of a dialog; `internal` ones are notes that only staff see."""

    id = Id(required=True)
    dialog_id = Id(required=True)
    sender = fields.Nested(PersonView, required=True)
    text = Prose(max=MAX_TEXT, required=True)
    local_id = Text(max=64, required=True, allow_none=True)
    internal = fields.Boolean(required=True)
    at = Time(required=True)


class DialogView(Schema):
    """An entry of somebody's dialogs: `lastMessage` and `unread` are the reader's own."""

    id = Id(required=True)
    subject = Text(max=MAX_TEXT, required=True)
    status = Choice(*DIALOG_STATUSES, required=True)
    assignee = fields.Nested(PersonView, required=True, allow_none=True)
    members = fields.List(fields.Nested(PersonView), required=True)
    last_message = fields.Nested(MessageView, required=True)
    unread = Count(required=True)
    updated_at = Time(required=True)


class ChatMessageView(Schema):
    """A message of the club's chat."""

    id = Id(required=True)
    user = fields.Nested(NameView, required=True)
    text = Text(max=MAX_TEXT, required=True)
    at = Time(required=True)


class UserView(Schema):
    """An account, as its owner and admins see it."""

    id = Id(required=True)
    username = Text(max=200, required=True)
    role = Choice(*ROLES, required=True)
    balance = Balance(required=True, attribute="balance_minor")


class NotificationView(Schema):
    """Something that concerns a member; what `data` holds depends on the kind."""

    id = Id(required=True)
    kind = Choice(*NOTIFICATION_KINDS, required=True)
    data = AnyJson(required=True)
    at = Time(required=True)
    read = fields.Boolean(required=True)


class CalendarEventFacts(Schema):
    """An event of the calendar, without what differs by who looks at it."""

    id = Id(required=True)
    title = Text(max=200, required=True)
    description = Text(max=4000, lines=True, required=True)
    location = Text(max=200, required=True)
    starts_at = Time(required=True)
    ends_at = Time(required=True)
    capacity = Count(required=True, allow_none=True)
    visibility = Choice(*VISIBILITIES, required=True)
    owner = fields.Nested(NameView, required=True)
    sequence = Count(required=True)
    cancelled = fields.Boolean(required=True)


class ParticipantView(Schema):
    """Whether somebody comes (RFC 5545 PARTSTAT); `waitlisted`: when there is a free seat."""

    user_id = Id(required=True)
    status = Choice(*PARTICIPANT_STATUSES, required=True)
    waitlisted = fields.Boolean(required=True)


class EventNotice(Schema):
    """What a notification tells of an event of the calendar."""

    event_id = Id(required=True, attribute="id")
    title = Text(max=200, required=True)
    location = Text(max=200, required=True)
    starts_at = Time(required=True)
