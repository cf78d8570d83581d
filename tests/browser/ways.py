"""The ways in which windows are connected, for stories that are to be the same over each."""

from typing import NamedTuple


class Way(NamedTuple):
    """How windows are connected, and whether the club has sockets at all."""

    name: str
    transport: str
    realtime: bool = True


WAYS = (
    Way("websocket", "websocket"),
    Way("polling", "polling"),
    Way("updates", "updates"),
    Way("realtime off", "updates", realtime=False),
)
