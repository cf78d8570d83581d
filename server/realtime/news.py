"""What a door has to say: an event of the log, one that nobody can find again, or a hole."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from events.base import Event
from server.realtime.cursor import Cursor
from server.realtime.log import LoggedEvent


class News:
    """One event on its way to clients; `cursor` and `at` are None where it is ephemeral.

    All listeners of a door are sent one and the same text, so it is made once.
    """

    __slots__ = ("_texts", "at", "cursor", "data", "name")

    def __init__(
        self, name: str, data: Any, cursor: Cursor | None = None, at: datetime | None = None
    ) -> None:
        self.name = name
        self.data = data
        self.cursor = cursor
        self.at = at
        self._texts: dict[Callable[["News"], bytes], bytes] = {}

    @classmethod
    def of_log(cls, event: LoggedEvent) -> "News":
        return cls(event.name, event.data, event.cursor, event.at)

    @classmethod
    def of_moment(cls, event: Event) -> "News":
        """An ephemeral event. Raises: WrongPayload."""
        payload = event.payload()
        return cls(event.wire_name(), None if payload is None else json.loads(payload))

    def encoded(self, encode: Callable[["News"], bytes]) -> bytes:
        """What `encode` makes of it."""
        text = self._texts.get(encode)
        if text is None:
            text = self._texts[encode] = encode(self)
        return text


@dataclass(frozen=True, slots=True)
class Resync:
    """What came before `cursor` cannot be told any more: load a snapshot and go on from here."""

    cursor: Cursor


def compact(value: Any) -> str:
    """JSON without spaces, in one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
