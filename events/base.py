"""What an event, a command and an audience are."""

import json
import re
from dataclasses import dataclass
from typing import Any, ClassVar

from marshmallow import ValidationError

from events.fields import Schema, camel_case, instance

EVENTS: "dict[str, type[Event]]" = {}
COMMANDS: "dict[str, type[Command]]" = {}

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


class WrongPayload(Exception):
    """An event does not carry what its schema says: a defect of the door that made it."""


@dataclass(frozen=True)
class Audience:
    """Who hears an event: `all`, `staff`, or a room named by a field, as in `user:{user_id}`."""

    template: str

    def room(self, event: "Event") -> str:
        return self.template.format_map(vars(event))


ALL = Audience("all")
STAFF = Audience("staff")


def user_room(field: str) -> Audience:
    """The sockets of the member whose id the event carries in `field`."""
    return Audience(f"user:{{{field}}}")


@dataclass(frozen=True)
class Event:
    """A fact that clients are told of. Subclasses are frozen dataclasses.

    `durable` events are written to the log in the transaction that makes them true; the others
    are sent at once, at most once.
    """

    name: ClassVar[str]
    audience: ClassVar[Audience]
    durable: ClassVar[bool] = True
    Payload: ClassVar[type[Schema] | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        EVENTS[cls.name] = cls

    def wire_name(self) -> str:
        """The name with its fields filled in: `balance:updated:7`."""
        return self.name.format_map(vars(self))

    def room(self) -> str:
        return self.audience.room(self)

    def payload(self) -> str | None:
        """The payload as JSON text, checked against its schema; None where there is none.

        Raises: WrongPayload.
        """
        if self.Payload is None:
            return None
        try:
            payload = instance(self.Payload).dump(self)
        except ValidationError as error:
            raise WrongPayload(f"{self.wire_name()}: {error}") from error
        return json.dumps(payload, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def documented_name(cls) -> str:
        """The name as the contract writes it: `balance:updated:{userId}`."""
        return _PLACEHOLDER.sub(lambda m: "{" + camel_case(m[1]) + "}", cls.name)

    @classmethod
    def documented_audience(cls) -> str:
        return _PLACEHOLDER.sub(lambda m: "{" + camel_case(m[1]) + "}", cls.audience.template)


class Command:
    """What a client may ask over a socket; answered by an ack with the HTTP envelope."""

    name: ClassVar[str]
    Payload: ClassVar[type[Schema]]
    Answer: ClassVar[type[Schema]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        COMMANDS[cls.name] = cls
