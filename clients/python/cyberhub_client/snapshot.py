"""What the member has: the last /api/me, kept true by the events that came after it."""

from collections.abc import Awaitable, Callable
from typing import Any

from cyberhub_client.cursor import is_after
from cyberhub_client.event import Event


class Snapshot:
    """`value` is None for a visitor, and before it was loaded."""

    def __init__(
        self,
        get: Callable[[], Awaitable[dict[str, Any]]],
        *,
        on_change: Callable[[dict[str, Any] | None], None],
        on_stale: Callable[[], None],
    ) -> None:
        """`on_stale`: it has to be loaded anew, by `refresh`."""
        self._get = get
        self._on_change = on_change
        self._on_stale = on_stale
        self._touched: str | None = None
        self.value: dict[str, Any] | None = None

    async def load(self) -> str:
        """Load it. Gives its cursor. Raises: ApiError."""
        value = await self._get()
        self.show({name: each for name, each in value.items() if name != "success"})
        return str(value["cursor"])

    async def refresh(self) -> None:
        """Load it until it knows of every event that went by meanwhile. Raises: ApiError."""
        while True:
            self._touched = None
            value = await self._get()
            if self.value is not None and is_after(self.value["cursor"], value["cursor"]):
                # It was loaded meanwhile.
                return
            if self._touched is None or not is_after(self._touched, value["cursor"]):
                self.show({name: each for name, each in value.items() if name != "success"})
                return

    def apply(self, event: Event) -> None:
        """What an event changes. One that the snapshot has seen already changes nothing."""
        value = self.value
        if value is None or event.cursor is None or not is_after(event.cursor, value["cursor"]):
            return
        user_id = value["user"]["id"]
        if event.name == f"balance:updated:{user_id}":
            self._touched = event.cursor
            self.show(value | {"balance": event.data["balance"]})
        elif event.name == "notification:read":
            self._touched = event.cursor
            self.show(value | {"unread": event.data["unread"]})
        elif event.name in (f"inventory:updated:{user_id}", "notification:new"):
            # How many are unread is not told with a new one: it may have taken another's place.
            self._touched = event.cursor
            self._on_stale()

    def show(self, value: dict[str, Any] | None) -> None:
        self.value = value
        self._on_change(value)
