"""Reading what a client sent, by a schema."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from aiohttp import web
from marshmallow import EXCLUDE, Schema, ValidationError
from webargs.aiohttpparser import AIOHTTPParser

from events.fields import NumberText, Text, instance
from server import strict_json
from server.config import Config
from server.errors import Invalid
from server.keys import CONFIG


def parse_json(raw: bytes) -> Any:
    """JSON with fractions kept as they were written. Raises: MalformedJson."""
    return strict_json.loads(raw, parse_float=NumberText)


class _Parser(AIOHTTPParser):
    # A query may carry what others added, such as a cache buster.
    DEFAULT_UNKNOWN_BY_LOCATION = {"query": EXCLUDE}

    def handle_error(
        self,
        error: ValidationError,
        req: web.Request,
        schema: Schema,
        *,
        error_status_code: int | None,
        error_headers: Mapping[str, str] | None,
    ) -> Any:
        # webargs puts the fields' messages under the name of the place they were read from.
        raise invalid(next(iter(error.normalized_messages().values())))


_parser = _Parser()


async def read(request: web.Request, schema: type[Schema]) -> dict[str, Any]:
    """The body, in Python's names. Raises: Invalid, MalformedJson; 413 when it is too large."""
    # Whatever the Content-Type: curl sends a form's unless it is told otherwise.
    raw = await request.read()
    values = parse_json(raw) if raw.strip() else {}
    return load(schema, values, request.app[CONFIG])


async def query(request: web.Request, schema: type[Schema]) -> dict[str, Any]:
    """The query's parameters, in Python's names. Raises: Invalid."""
    values: dict[str, Any] = await _parser.parse(instance(schema), request, location="query")
    return values


def load(schema: type[Schema], values: Any, config: Config) -> dict[str, Any]:
    """What was parsed elsewhere, in Python's names. Raises: Invalid."""
    try:
        loaded: dict[str, Any] = instance(schema).load(values)
    except ValidationError as error:
        raise invalid(error.messages) from None
    for name, data_key, setting in _settings(schema):
        most = getattr(config, setting)
        if len(loaded.get(name) or "") > most:
            raise invalid({data_key: [f"Longer than maximum length {most}."]})
    return loaded


@cache
def _settings(schema: type[Schema]) -> list[tuple[str, str, str]]:
    """The texts that a setting bounds: name, name on the wire, setting."""
    return [
        (name, field.data_key or name, field.setting)
        for name, field in instance(schema).fields.items()
        if isinstance(field, Text) and field.setting is not None
    ]


def invalid(messages: Any) -> Invalid:
    """A validation error whose sentence names the first field, for those who read only that."""
    if not isinstance(messages, dict):
        messages = {"_schema": messages}
    name, problem = next(iter(messages.items()))
    while isinstance(problem, dict):
        step, problem = next(iter(problem.items()))
        name = f"{name}.{step}"
    first = problem[0] if isinstance(problem, list) else problem
    where = "" if str(name).endswith("_schema") else f"{name}: "
    return Invalid(f"{where}{first}", fields=messages)
