"""Things that look the same everywhere: in an answer, in a list, in an event."""

from marshmallow import fields, validate

from events.fields import Balance, Id, Money, Schema, Time

INVENTORY_STATUSES = ("won", "claimed", "issued", "cancelled")
RARITIES = ("common", "uncommon", "rare", "epic", "legendary")


class ItemView(Schema):
    """A prize."""

    id = Id(required=True)
    name = fields.String(required=True)
    image = fields.String(required=True)
    rarity = fields.String(required=True, validate=validate.OneOf(RARITIES))
    value = Money(required=True, attribute="value_minor")


class CaseRef(Schema):
    """The case that something came from."""

    id = Id(required=True)
    name = fields.String(required=True)
    image = fields.String(required=True)


class DropView(Schema):
    """Somebody won something; the member's name is masked."""

    id = Id(required=True)
    user = fields.String(required=True)
    item = fields.Nested(ItemView, required=True)
    case = fields.Nested(CaseRef, required=True)
    at = Time(required=True)


class InventoryItemView(Schema):
    """An entry of the inventory."""

    id = Id(required=True)
    item = fields.Nested(ItemView, required=True)
    case = fields.Nested(CaseRef, required=True)
    status = fields.String(required=True, validate=validate.OneOf(INVENTORY_STATUSES))
    won_at = Time(required=True)


class UserView(Schema):
    """An account, as its owner and admins see it."""

    id = Id(required=True)
    username = fields.String(required=True)
    role = fields.String(required=True)
    balance = Balance(required=True, attribute="balance_minor")
