"""The catalogue: every event and command, who hears it, what it carries.

Nothing else in the service spells an event's name. `docs/events.md` and `/asyncapi.json` are
made from these classes.
"""

from events.balance import BalanceUpdated
from events.base import COMMANDS, EVENTS, Audience, Command, Event, WrongPayload
from events.calendar import EventCancelled, EventUpdated, InvitationNew, ParticipantUpdated
from events.cases import CasesUpdated
from events.chat import ChatMessage, ChatRemoved, SendChat
from events.connection import AuthExpired, Identify, Ping, Pong, Resync, ServerDraining
from events.dialogs import (
    DialogJoined,
    DialogLeft,
    DialogTyping,
    DialogUpdate,
    NewMessage,
    SendMessage,
    Subscribe,
    Subscribed,
    Typing,
)
from events.drops import DropNew
from events.inventory import InventoryUpdated
from events.notifications import NotificationNew, NotificationRead
from events.reactor import ReactorEvent

__all__ = [
    "COMMANDS",
    "EVENTS",
    "Audience",
    "AuthExpired",
    "BalanceUpdated",
    "CasesUpdated",
    "ChatMessage",
    "ChatRemoved",
    "Command",
    "DialogJoined",
    "DialogLeft",
    "DialogTyping",
    "DialogUpdate",
    "DropNew",
    "Event",
    "EventCancelled",
    "EventUpdated",
    "Identify",
    "InventoryUpdated",
    "InvitationNew",
    "NewMessage",
    "NotificationNew",
    "NotificationRead",
    "ParticipantUpdated",
    "Ping",
    "Pong",
    "ReactorEvent",
    "Resync",
    "SendChat",
    "SendMessage",
    "ServerDraining",
    "Subscribe",
    "Subscribed",
    "Typing",
    "WrongPayload",
]
