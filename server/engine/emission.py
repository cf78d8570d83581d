"""An event on its way out, in the forms that its recipients need."""

from typing import Any

from server.engine.packets import Message
from server.engine.socketio_packets import EVENT

_NEVER_TEXT = (dict, list, tuple, int, float, bytes, bytearray, memoryview, type(None))


def arguments_of(event: str, data: Any) -> list[Any]:
    """What an event carries, its name first; a tuple is several arguments, None is none."""
    if data is None:
        return [event]
    return [event, *data] if isinstance(data, tuple) else [event, data]


class Emission:
    """An event for clients that recover and for others: each form is made for its first one.

    socket.io-client takes the last argument of an event for its place in the log, if it is text.
    So who recovers gets an event of the log with its place behind it, and any other that ends in
    text with a null behind it. No handler minds that, while refusing such events would take from
    an application what it may tell all other clients.
    """

    __slots__ = ("_arguments", "_codec", "_namespace", "_numbered", "_offset", "_plain")

    def __init__(
        self, codec: Any, namespace: str, arguments: list[Any], offset: str | None
    ) -> None:
        self._codec = codec
        self._namespace = namespace
        self._arguments = arguments
        self._offset = offset
        self._plain: Message | None = None
        self._numbered: Message | None = None

    def form(self, recovers: bool) -> Message:
        """The event as this kind of client gets it. Raises: TypeError, ValueError."""
        if recovers:
            if self._numbered is None:
                self._numbered = self._make_numbered()
            return self._numbered
        if self._plain is None:
            self._plain = self._make(self._arguments)
        return self._plain

    def _make_numbered(self) -> Message:
        if self._offset is not None or _may_end_in_text(self._arguments):
            return self._make([*self._arguments, self._offset])
        return self.form(False)

    def _make(self, arguments: list[Any]) -> Message:
        return Message(*self._codec.encode(EVENT, self._namespace, arguments))


def _may_end_in_text(arguments: list[Any]) -> bool:
    """Whether the client may see text last; of an event without arguments that is its name."""
    return len(arguments) == 1 or not isinstance(arguments[-1], _NEVER_TEXT)
