"""`clients/javascript/events.d.ts`: the catalogue for those who write TypeScript."""

import json
from typing import Any

from server.web import asyncapi

_REF = "#/components/schemas/"
_PLAIN = {
    "integer": "number",
    "number": "number",
    "string": "string",
    "boolean": "boolean",
    "null": "null",
    "object": "Record<string, unknown>",
}


def declarations() -> str:
    """Every event and command with what it carries, as TypeScript declarations."""
    components = asyncapi.document()["components"]
    messages = sorted(components["messages"].values(), key=lambda each: str(each["name"]))
    lines = [
        "// Made from the classes in events/ by `make docs`; do not edit it by hand.",
        "",
        "/** What the server tells, by name. */",
        "export interface ServerEvents {",
    ]
    for message in messages:
        if "x-ack" not in message:
            lines += _event(message)
    lines += ["}", "", "/** What a client may ask, by name. */", "export interface Commands {"]
    for message in messages:
        if "x-ack" in message:
            data, answer = _type(message["payload"]), _type(message["x-ack"])
            lines += [
                f"  /** {message['summary']} */",
                f"  {json.dumps(message['name'])}: {{ data: {data}; answer: {answer} }};",
            ]
    lines.append("}")
    for name, schema in sorted(components["schemas"].items()):
        lines += ["", f"export interface {name} {{", *_members(schema), "}"]
    return "\n".join(lines) + "\n"


def _event(message: dict[str, Any]) -> list[str]:
    name, _, parameter = message["name"].partition(":{")
    said, carried = f"  /** {message['summary']} */", _type(message["payload"])
    lines = [said, f"  {json.dumps(name)}: {carried};"]
    if parameter:
        lines += [said, f"  [name: `{name}:${{number}}`]: {carried};"]
    return lines


def _members(schema: dict[str, Any]) -> list[str]:
    required = set(schema.get("required", ()))
    return [
        f"  {name}{'' if name in required else '?'}: {_type(member)};"
        for name, member in schema["properties"].items()
    ]


def _type(schema: dict[str, Any]) -> str:
    """A JSON Schema, of the kinds that apispec makes, as a type."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_REF)
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            link = " & " if several == "allOf" else " | "
            return link.join(_type(each) for each in schema[several])
    kind = schema.get("type", "unknown")
    if isinstance(kind, list):
        return " | ".join(_type(schema | {"type": each}) for each in kind)
    if kind == "array":
        return f"Array<{_type(schema['items'])}>"
    return _PLAIN.get(kind, "unknown")
