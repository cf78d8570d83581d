"""The ways to hear what happens."""

import asyncio
from abc import ABC, abstractmethod
from typing import Literal

Via = Literal["websocket", "polling", "updates"]


class CallerBehind(Exception):
    """The caller is so far behind that it is told no more before it has caught up."""


class Door(ABC):
    """One connection, once: from the attempt to the loss."""

    via: Via
    #: Whether everything after the cursor that it began with has been told.
    is_continuous = True
    #: Whether the server is willing to speak WebSocket.
    offers_websocket = True

    def __init__(self) -> None:
        #: Gets the reason when the door is lost.
        self.lost: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    @abstractmethod
    async def open(self) -> None:
        """Returns when it is open. Raises: ApiError, CallerBehind."""

    @abstractmethod
    async def close(self) -> None:
        """Nothing comes from here any more."""

    def fail(self, reason: Exception) -> None:
        """It is of no use any more, for this reason."""
        if not self.lost.done():
            self.lost.set_result(reason)
