"""Where a command goes when there is no socket: the HTTP route that does the same."""

from collections.abc import Callable, Mapping
from typing import Any

Route = tuple[str, str, Any]

ROUTES: Mapping[str, Callable[[dict[str, Any]], Route]] = {
    "chat:send": lambda data: ("POST", "/api/chat", {"text": data["text"]}),
    "dialog:send": lambda data: (
        "POST",
        f"/api/dialogs/{data['dialogId']}/messages",
        {name: value for name, value in data.items() if name != "dialogId"},
    ),
}
