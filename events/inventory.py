"""Events of the inventory."""

from dataclasses import dataclass

from events.base import Event, user_room


@dataclass(frozen=True)
class InventoryUpdated(Event):
    """The member's inventory changed. Heard by that member's sockets only."""

    name = "inventory:updated:{user_id}"
    audience = user_room("user_id")

    user_id: int
