"""Events of the balance."""

from dataclasses import dataclass

from events.base import Event, user_room
from events.fields import Balance, Schema


@dataclass(frozen=True)
class BalanceUpdated(Event):
    """The member's balance changed. Heard by that member's sockets only."""

    name = "balance:updated:{user_id}"
    audience = user_room("user_id")

    user_id: int
    balance: int

    class Payload(Schema):
        balance = Balance(required=True)
