"""What the caller hears."""

import re
from dataclasses import dataclass
from typing import Any

_ID_AT_THE_END = re.compile(r":\d+$")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    `cursor` is its place in the club's log; None for what is told at once or never. `resync` is
    an event of the kit's own: following begins anew here, from the snapshot in `data`.
    """

    name: str
    data: Any
    cursor: str | None

    @property
    def kind(self) -> str:
        """The name without a member's id: `balance:updated` for `balance:updated:7`."""
        return _ID_AT_THE_END.sub("", self.name)
