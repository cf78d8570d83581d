"""The one position that every door speaks."""

import re
from dataclasses import dataclass

from server.errors import ClubError

_CURSOR = re.compile(r"([0-9a-f]{8})\.(0|[1-9]\d{0,17})", re.ASCII)


class BadCursor(ClubError):
    code = "bad_cursor"
    sentence = "The cursor is not one of ours."


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the log: everything up to `position` has been heard.

    `epoch` tells the logs of two databases apart. To clients the text form is opaque.
    """

    epoch: str
    position: int

    def behind(self, other: "Cursor | None") -> int | None:
        """How many events of the log lie between; None if that cannot be said."""
        if other is None or other.epoch != self.epoch:
            return None
        return max(0, other.position - self.position)

    def __str__(self) -> str:
        return f"{self.epoch}.{self.position}"

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Raises: BadCursor."""
        match = _CURSOR.fullmatch(text)
        if match is None:
            raise BadCursor()
        return cls(match[1], int(match[2]))
