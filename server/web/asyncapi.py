"""`/asyncapi.json` and `docs/events.md`, made from the catalogue."""

from typing import Any

import server
from events import COMMANDS, EVENTS
from events.base import Command, Event
from events.fields import Schema
from server.config import Config
from server.web import openapi

_CHANNELS = (
    ("socket", "/socket.io/", "Socket.IO: events, and commands with acks."),
    (
        "stream",
        "/ws/stream",
        "A WebSocket of JSON frames: `{type, detail, cursor}`, `welcome` first; no cursor where "
        "an event is ephemeral. `{type: ping}` is answered by `{type: pong}`.",
    ),
    (
        "member",
        "/ws",
        "As `/ws/stream`, for the member `userId`: `connected` first; `{type: subscribe}` is "
        "answered by `subscribed`.",
    ),
    (
        "eventStream",
        "/api/updates/stream",
        "Server-Sent Events: `event` is the name, `data` the payload, `id` the cursor.",
    ),
)


def document(config: Config | None = None) -> dict[str, Any]:
    """The AsyncAPI 3.0 document of every event and command, with the bounds of these settings."""
    schemas = _Schemas(config)
    messages: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for event in EVENTS.values():
        key = event.__name__
        messages[key] = {
            "name": event.documented_name(),
            "summary": _summary(event),
            "payload": schemas.of(event.Payload) if event.Payload else {"type": "null"},
            "x-audience": event.documented_audience(),
            "x-durable": event.durable,
        }
        operations[f"send{key}"] = _operation("send", key)
    for command in COMMANDS.values():
        key = command.__name__
        messages[key] = {
            "name": command.name,
            "summary": _summary(command),
            "payload": schemas.of(command.Payload),
            "x-ack": schemas.of(command.Answer),
        }
        operations[f"receive{key}"] = _operation("receive", key)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "CyberHub events",
            "version": server.__version__,
            "description": "Socket.IO events, the same at every door (see GET /api/updates).",
        },
        "defaultContentType": "application/json",
        "channels": _channels(list(messages)),
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas.all()},
    }


def _channels(keys: list[str]) -> dict[str, Any]:
    said = {event.__name__ for event in EVENTS.values()}
    return {
        name: {
            "address": address,
            "description": description,
            "messages": {
                key: {"$ref": f"#/components/messages/{key}"}
                for key in keys
                if key in said or name == "socket"
            },
        }
        for name, address, description in _CHANNELS
    }


def markdown() -> str:
    """`docs/events.md`: the catalogue for people."""
    lines = [
        "# Events and commands",
        "",
        "Made from the classes in `events/` by `make docs`; do not edit it by hand.",
        "",
        "## Server → client",
        "",
        "Durable events are written in the transaction that makes them true and reach every",
        "client that should know, also after the fact. Ephemeral ones are sent at once, at most",
        "once.",
        "",
        "| event | heard by | payload | |",
        "|---|---|---|---|",
    ]
    for event in sorted(EVENTS.values(), key=lambda each: each.name):
        audience = event.documented_audience()
        heard_by = "this socket" if audience == "{sid}" else f"`{audience}`"
        lines.append(
            f"| `{event.documented_name()}` | {heard_by}{'' if event.durable else ', ephemeral'} "
            f"| {_shape(event.Payload)} | {_summary(event)} |"
        )
    lines += [
        "",
        "## Client → server",
        "",
        "Each is answered by an ack: `{success: true, …}` or `{success: false, error, code}`.",
        "",
        "| command | payload | ack | |",
        "|---|---|---|---|",
    ]
    for command in sorted(COMMANDS.values(), key=lambda each: each.name):
        lines.append(
            f"| `{command.name}` | {_shape(command.Payload)} | {_shape(command.Answer)} "
            f"| {_summary(command)} |"
        )
    return "\n".join(lines) + "\n"


class _Schemas:
    """JSON Schemas of payloads, through apispec."""

    def __init__(self, config: Config | None) -> None:
        self._spec = openapi.new_spec("events", config)

    def of(self, schema: type[Schema]) -> dict[str, str]:
        name = schema.__qualname__.replace(".", "")
        if name not in self._spec.components.schemas:
            self._spec.components.schema(name, schema=schema)
        return {"$ref": f"#/components/schemas/{name}"}

    def all(self) -> Any:
        return self._spec.components.schemas


def _operation(action: str, key: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/socket"},
        "messages": [{"$ref": f"#/channels/socket/messages/{key}"}],
    }


def _summary(documented: type[Event] | type[Command]) -> str:
    return " ".join((documented.__doc__ or "").split())


def _shape(schema: type[Schema] | None) -> str:
    if schema is None:
        return "none"
    names = [
        f"{field.data_key}{'' if field.required else '?'}" for field in schema().fields.values()
    ]
    return f"`{{{', '.join(names)}}}`"
