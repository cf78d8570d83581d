"""`/openapi.json`, made from the routes and their schemas."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema as BaseSchema
from marshmallow import fields as ma

import server
from events.fields import AnyJson, Balance, Fraction, Money, Schema, Time
from server.config import Config
from server.errors import (
    ClubError,
    Forbidden,
    Invalid,
    InvalidToken,
    MalformedJson,
    NotFound,
    TokenExpired,
    Unauthorized,
)
from server.web import transactions
from server.web.routes import ADMIN, ANYONE, MEMBER, SERVICE, STAFF, Route

_PATH_NAME = re.compile(r"\{(\w+)\}")
_WHO = {ANYONE: "anyone", MEMBER: "member", STAFF: "staff", ADMIN: "admin", SERVICE: "service"}


class ErrorAnswer(Schema):
    """What every refusal looks like."""

    success = ma.Boolean(required=True, metadata={"enum": [False]})
    error = ma.String(required=True)
    code = ma.String(required=True)
    # Named by its key on the wire: a schema's own attribute `fields` is taken.
    problems = ma.Dict(keys=ma.String(), data_key="fields")
    request_id = ma.String()


def document(routes: Iterable[Route], config: Config) -> dict[str, Any]:
    """The OpenAPI 3.1 document of the given routes, with the bounds of these settings."""
    spec = new_spec("CyberHub", config)
    spec.components.security_scheme(
        "token", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    )
    spec.components.schema("Error", schema=ErrorAnswer)
    by_path: dict[str, dict[str, Any]] = defaultdict(dict)
    for route in routes:
        if not route.hidden:
            by_path[route.path][route.method.lower()] = _operation(spec, route)
    for path, operations in by_path.items():
        spec.path(path=path, operations=operations)
    return spec.to_dict()


def new_spec(title: str, config: Config | None = None) -> APISpec:
    """An empty document that knows the wire's own kinds of value, and the settings that bound
    them."""
    plugin = MarshmallowPlugin()
    spec = APISpec(
        title=title, version=server.__version__, openapi_version="3.1.0", plugins=[plugin]
    )
    assert plugin.converter is not None
    for field in (Money, Balance, Fraction):
        plugin.converter.field_mapping[field] = ("number", None)
    plugin.converter.field_mapping[AnyJson] = (None, None)
    plugin.converter.field_mapping[Time] = ("string", "date-time")
    plugin.converter.add_attribute_function(_least_money)
    if config is not None:
        plugin.converter.add_attribute_function(_longest_text(config))
    return spec


def _least_money(self: Any, field: Any, **_: Any) -> dict[str, Any]:
    """The bound of money, which is no validator because it is kept in minor units."""
    least = getattr(field, "min_minor", None)
    return {} if least is None else {"minimum": least / 100}


def _longest_text(config: Config) -> Callable[..., dict[str, Any]]:
    """The bound of a text that is a setting, closer than that of its field."""

    def longest(self: Any, field: Any, **_: Any) -> dict[str, Any]:
        setting = getattr(field, "setting", None)
        return {} if setting is None else {"maxLength": getattr(config, setting)}

    return longest


def _operation(spec: APISpec, route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "tags": [route.tag],
        "responses": {str(route.status): _good_answer(spec, route)} | _errors(route),
        "parameters": [
            {
                "in": "path",
                "name": name,
                "required": True,
                "schema": {"type": "integer" if name == "id" else "string"},
            }
            for name in _path_names(route.path)
        ],
    }
    if route.tells:
        names = ", ".join(f"`{event.documented_name()}`" for event in route.tells)
        operation["description"] = f"Tells {names}."
    if route.query is not None:
        operation["parameters"].append({"in": "query", "schema": route.query})
    if route.takes_key:
        operation["parameters"].append(
            {
                "in": "header",
                "name": "Idempotency-Key",
                "required": False,
                "schema": {"type": "string", "maxLength": 255},
                "description": "The same key and body get the first answer again for 24 hours.",
            }
        )
    if route.revalidates:
        operation["responses"]["304"] = {"description": "The answer is as it was."}
        operation["parameters"].append(
            {
                "in": "header",
                "name": "If-None-Match",
                "required": False,
                "schema": {"type": "string"},
                "description": "The ETag of an answer that is there already.",
            }
        )
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": route.body}},
        }
    operation["security"] = [{"token": []}] if route.who else [{}, {"token": []}]
    # OpenAPI has no word for roles of a bearer token.
    operation["x-who"] = _WHO[route.who]
    return operation


def _good_answer(spec: APISpec, route: Route) -> dict[str, Any]:
    if route.produces is not None:
        content = {route.produces: {"schema": {"type": "string"}}}
        return {"description": "OK", "content": content}
    if route.answer is None:
        return {"description": "OK"}
    own = _reference(spec, route.answer)
    if route.path.startswith("/api/"):
        # Written into the schema itself: two that both refuse unknown names cannot be joined.
        _add_envelope(spec.components.schemas[route.answer.__name__])
    return {"description": "OK", "content": {"application/json": {"schema": own}}}


def _add_envelope(schema: dict[str, Any]) -> None:
    schema.setdefault("properties", {})["success"] = {"type": "boolean"}
    schema["required"] = sorted({*schema.get("required", ()), "success"})


def _reference(spec: APISpec, schema: type[BaseSchema]) -> dict[str, Any]:
    name = schema.__name__
    if name not in spec.components.schemas:
        spec.components.schema(name, schema=schema)
    return {"$ref": f"#/components/schemas/{name}"}


def _errors(route: Route) -> dict[str, Any]:
    possible: list[type[ClubError]] = [TokenExpired, InvalidToken, *route.errors]
    if route.who:
        possible += [Unauthorized, Forbidden]
    if route.body is not None:
        possible += [Invalid, MalformedJson]
    if route.query is not None:
        possible += [Invalid]
    if "{" in route.path:
        possible += [NotFound]
    if route.takes_key:
        possible += [
            transactions.BadIdempotencyKey,
            transactions.IdempotencyInProgress,
            transactions.IdempotencyKeyReused,
        ]
    by_status: dict[int, set[str]] = defaultdict(set)
    for error in possible:
        by_status[error.status].add(error.code)
    by_status[503] |= {"unavailable", "draining", "database_unavailable"}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {
        str(status): {
            "description": ", ".join(f"`{code}`" for code in sorted(codes)),
            "content": content,
        }
        for status, codes in sorted(by_status.items())
    }


def _path_names(path: str) -> list[str]:
    return _PATH_NAME.findall(path)
