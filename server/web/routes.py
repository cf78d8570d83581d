"""Doors: a route says who may, what it reads, what it answers and what it tells.

The same words make `/openapi.json`, so a door cannot promise one thing and do another.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from marshmallow import Schema

from events.base import Event
from events.fields import MAX_ID, instance
from server.errors import ClubError, Forbidden, NotFound, Unauthorized
from server.identity import ADMIN_ROLES, MEMBER_ROLES, SERVICE_ROLES, STAFF_ROLES
from server.keys import ROUTE
from server.web.auth import signed_in

# As we write an id, and no longer than the largest: zeros before it would hide its length.
_ID = re.compile(r"[1-9]\d{0,15}", re.ASCII)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ANYONE: frozenset[str] = frozenset()
MEMBER = MEMBER_ROLES
STAFF = STAFF_ROLES
ADMIN = ADMIN_ROLES
SERVICE = SERVICE_ROLES


@dataclass(frozen=True)
class Route:
    """One door. `who` holds the roles that may enter; empty means anyone.

    `produces` is the media type of an answer that is no JSON. `revalidates`: the answer has an
    ETag, and 304 is the answer to whoever has it.
    """

    method: str
    path: str
    handler: Handler
    tag: str
    who: frozenset[str]
    body: type[Schema] | None
    query: type[Schema] | None
    answer: type[Schema] | None
    status: int
    errors: tuple[type[ClubError], ...]
    tells: tuple[type[Event], ...]
    takes_key: bool
    hidden: bool
    produces: str | None = None
    revalidates: bool = False

    @property
    def summary(self) -> str:
        return (self.handler.__doc__ or "").strip().split("\n")[0]

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        request[ROUTE] = self
        if self.who:
            who = await signed_in(request)
            if who is None:
                raise Unauthorized()
            if who.member.role not in self.who:
                raise Forbidden()
        return await self.handler(request)


class Routes:
    """The doors of one feature, collected by decorators and added to the application."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.all: list[Route] = []

    def add(
        self,
        method: str,
        path: str,
        *,
        who: frozenset[str] = ANYONE,
        body: type[Schema] | None = None,
        query: type[Schema] | None = None,
        answer: type[Schema] | None = None,
        status: int = 200,
        errors: tuple[type[ClubError], ...] = (),
        tells: tuple[type[Event], ...] = (),
        takes_key: bool = False,
        hidden: bool = False,
        produces: str | None = None,
        revalidates: bool = False,
    ) -> Callable[[Handler], Handler]:
        def keep(handler: Handler) -> Handler:
            self.all.append(
                Route(
                    method,
                    path,
                    handler,
                    self.tag,
                    who,
                    body,
                    query,
                    answer,
                    status,
                    errors,
                    tells,
                    takes_key,
                    hidden,
                    produces,
                    revalidates,
                )
            )
            return handler

        return keep

    def get(self, path: str, **rest: Any) -> Callable[[Handler], Handler]:
        return self.add("GET", path, **rest)

    def post(self, path: str, **rest: Any) -> Callable[[Handler], Handler]:
        return self.add("POST", path, **rest)

    def put(self, path: str, **rest: Any) -> Callable[[Handler], Handler]:
        return self.add("PUT", path, **rest)

    def patch(self, path: str, **rest: Any) -> Callable[[Handler], Handler]:
        return self.add("PATCH", path, **rest)

    def delete(self, path: str, **rest: Any) -> Callable[[Handler], Handler]:
        return self.add("DELETE", path, **rest)


def success(request: web.Request, **fields: Any) -> web.Response:
    """The envelope of a good answer, written by the route's schema."""
    route: Route = request[ROUTE]
    body: dict[str, Any] = {"success": True}
    if route.answer is not None:
        schema = instance(route.answer)
        if fields.keys() != schema.fields.keys():
            raise TypeError(f"{route.path} answers {sorted(schema.fields)}, not {sorted(fields)}")
        body |= schema.dump(fields)
    return web.json_response(body, status=route.status)


def path_id(request: web.Request, name: str = "id") -> int:
    """An id of the path. Raises: NotFound when it is not one."""
    text = request.match_info[name]
    if not _ID.fullmatch(text) or int(text) > MAX_ID:
        raise NotFound()
    return int(text)
