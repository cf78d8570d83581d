"""How news looks on the plain doors: frames of a WebSocket, messages of an event stream."""

from typing import Any

from events import ReactorEvent
from server.errors import ClubError
from server.realtime.cursor import Cursor
from server.realtime.feed import Item
from server.realtime.news import News, Resync, compact


def frame(item: Item) -> bytes:
    """`{"type", "detail", "cursor"}`, without a cursor what cannot be found again."""
    if isinstance(item, Resync):
        return compact({"type": "resync", "cursor": str(item.cursor)}).encode()
    return item.encoded(_frame)


def _frame(news: News) -> bytes:
    if news.name == ReactorEvent.name:
        return compact(news.data).encode()
    return greeting(news.name, news.data, news.cursor)


def greeting(type_: str, detail: Any, cursor: Cursor | None = None) -> bytes:
    """A frame of the door itself, or of an event."""
    body = {"type": type_, "detail": detail}
    if cursor is not None:
        body["cursor"] = str(cursor)
    return compact(body).encode()


def problem(error: ClubError) -> bytes:
    """A frame that says what was wrong with the client's."""
    return compact({"type": "error", **error.envelope()}).encode()


PING = compact({"type": "ping"}).encode()
PONG = compact({"type": "pong"}).encode()


def message(item: Item) -> bytes:
    """A message of an event stream; `id` is the cursor (HTML, 9.2.6).

    An event without data says `null`: a browser does not dispatch a message that has none.
    """
    if isinstance(item, Resync):
        return _message("resync", {"cursor": str(item.cursor)}, item.cursor)
    return item.encoded(_message_of)


def _message_of(news: News) -> bytes:
    return _message(news.name, news.data, news.cursor)


def _message(name: str, data: Any, cursor: Cursor | None) -> bytes:
    text = f"event: {name}\ndata: {compact(data)}\n"
    if cursor is not None:
        text += f"id: {cursor}\n"
    return f"{text}\n".encode()


def place(cursor: Cursor, retry_ms: int) -> bytes:
    """Where an event stream begins, and after how long to come back to it.

    Without data nothing is dispatched, but a browser that comes back says this id. So even one
    that has heard nothing yet misses nothing.
    """
    return retry(retry_ms) + f"id: {cursor}\n\n".encode()


def retry(after_ms: int) -> bytes:
    """After how long a browser comes back when the stream has ended."""
    return f"retry: {after_ms}\n".encode()


#: A comment: it keeps the connection alive and is no event.
HEARTBEAT = b": heartbeat\n\n"
