"""The caller's `async for`."""

from collections.abc import Iterable

from cyberhub_client.event import Event
from cyberhub_client.outlet import Reader


class Stream:
    """Events from its beginning on, in order, each once.

    An `async for` that is left gives its place up, so that nothing waits for it.
    """

    def __init__(self, reader: Reader, only: Iterable[str]) -> None:
        self._reader = reader
        self._only = frozenset(only)

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> Event:
        """Raises: SignedOut."""
        while (event := await self._reader.next()) is not None:
            if self._is_wanted(event):
                return event
        self._reader.leave()
        raise StopAsyncIteration

    def _is_wanted(self, event: Event) -> bool:
        return (
            not self._only
            or event.name in self._only
            or event.kind in self._only
            # Who hears some events must know when it has missed some.
            or event.name == "resync"
        )

    def close(self) -> None:
        self._reader.leave()

    def __del__(self) -> None:
        self._reader.leave()
