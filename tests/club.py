"""A running club, and the people in it, as stories speak of them."""

import asyncio
import contextlib
import itertools
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import aiohttp
import socketio
from aiohttp import web

from server.app import create_app, drain, listen
from server.club import accounts
from server.config import Config
from server.keys import AUTH, DB, EVENT_LOG, LIFECYCLE, RELAY, SIO

# Every wait in a test ends with this: long enough for a busy machine, and never slept through.
PATIENCE_S = 30.0

PASSWORD = "correct horse"

_names = itertools.count(1)


@dataclass
class Answer:
    """What an HTTP request got."""

    status: int
    body: Any
    headers: Any

    def __getitem__(self, name: str) -> Any:
        return self.body[name]


class Club:
    """The application under test, listening on a port of its own."""

    def __init__(self, app: web.Application, url: str, http: aiohttp.ClientSession) -> None:
        self.app = app
        self.url = url
        self.http = http
        self._admin: Person | None = None
        self._people: list[Person] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, config: Config, *, wait: bool = True, **app_options: Any
    ) -> AsyncIterator["Club"]:
        """Start a club, `wait` until it is ready, and stop it as the command line does."""
        app = create_app(config, **app_options)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        port = (await listen(runner, app, "127.0.0.1", config.port)).port
        http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        club = cls(app, f"http://127.0.0.1:{port}", http)
        try:
            if wait:
                async with asyncio.timeout(PATIENCE_S):
                    await app[LIFECYCLE].is_ready.wait()
            yield club
        finally:
            for person in club._people:
                await person.leave()
            await http.close()
            await drain(app)
            await runner.cleanup()

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        raw: bytes | str | None = None,
    ) -> Answer:
        """One HTTP request; `raw` sends a body as it stands."""
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        options: dict[str, Any] = {"data": raw} if raw is not None else {"json": body}
        if raw is None and body is None:
            options = {}
        async with self.http.request(method, self.url + path, headers=sent, **options) as response:
            is_json = response.content_type == "application/json"
            content = await response.json() if is_json else await response.text()
            return Answer(response.status, content, response.headers)

    async def person(
        self, *, role: str = "member", balance: float = 0, has_password: bool = True
    ) -> "Person":
        """A new account, with money on it if asked for.

        One without a password comes at once: argon2 is slow on purpose, and a test that needs
        many people would be nothing but hashing.
        """
        username = f"{role}-{next(_names)}"
        if has_password:
            answer = await self.call(
                "POST", "/api/auth/register", {"username": username, "password": PASSWORD}
            )
            assert answer.status == 200, answer.body
            person = Person(self, answer["user"]["id"], username, answer["token"])
        else:
            async with self.app[DB].transaction() as tx:
                member = await accounts.register(tx, username, None)
            token, _ = self.app[AUTH].tokens.issue(member.id)
            person = Person(self, member.id, username, token)
        self._people.append(person)
        if role != "member":
            await self.give_role(person, role)
        if balance:
            admin = await self.admin()
            given = await admin.post(
                "/api/admin/balance/add", {"userId": person.id, "amount": balance}
            )
            assert given.status == 200, given.body
        return person

    async def give_role(self, person: "Person", role: str) -> None:
        """Make somebody a member, staff, an admin or a service."""
        async with self.app[DB].transaction() as tx:
            await accounts.set_role(tx, person.id, role)

    async def admin(self) -> "Person":
        """The club's admin, the same one each time."""
        if self._admin is None:
            self._admin = await self.person(role="admin")
        return self._admin

    async def create_case(self, *, price: float = 10, items: Any = None, **rest: Any) -> Any:
        """A case on sale; without `items`, two plain lines."""
        admin = await self.admin()
        body = {
            "name": "Box",
            "price": price,
            "items": items or [line("Sticker", weight=3, value=5), line("Skin", value=20)],
        } | rest
        answer = await admin.post("/api/admin/cases", body)
        assert answer.status == 201, answer.body
        return answer["case"]

    async def tell_everybody(self) -> None:
        """Change a case's price: an event that everybody hears, as an end mark for stories."""
        case = await self.create_case()
        admin = await self.admin()
        await admin.call("DELETE", f"/api/admin/cases/{case['id']}")

    async def visitor(self, transport: str, auth: Any = None) -> "SocketDoor":
        """Somebody at a socket, with what they say in CONNECT; anonymous without it."""
        await self.settled()
        door = SocketDoor(self, transport, auth)
        await door.open()
        return door

    def token(self, person: "Person", *, seconds: float) -> str:
        """A token of the person that ends in about so many seconds, at a whole one."""
        return self.app[AUTH].tokens.issue(person.id, ttl=timedelta(seconds=seconds))[0]

    async def settled(self) -> None:
        """Wait until everything committed so far has been delivered."""
        log, relay = self.app[EVENT_LOG], self.app[RELAY]
        head = (await log.page(None, [], 1)).cursor.position

        async def delivered() -> bool:
            return relay.position is not None and relay.position.position >= head

        await until(delivered, "everything is delivered")

    @property
    def sio(self) -> Any:
        return self.app[SIO]


def line(name: str = "Prize", **rest: Any) -> dict[str, Any]:
    """A line of a case, as an admin sends it."""
    return {"name": name, "rarity": "common", "value": 5, "weight": 1} | rest


@dataclass
class Person:
    """Somebody with an account, and the doors they listen at."""

    club: Club
    id: int
    username: str
    token: str
    doors: list["Door"] = field(default_factory=list)

    async def call(self, method: str, path: str, body: Any = None, **rest: Any) -> Answer:
        return await self.club.call(method, path, body, token=self.token, **rest)

    async def get(self, path: str, **rest: Any) -> Answer:
        return await self.call("GET", path, **rest)

    async def post(self, path: str, body: Any = None, **rest: Any) -> Answer:
        return await self.call("POST", path, body, **rest)

    async def opens(self, case: Any, **rest: Any) -> Answer:
        return await self.post("/api/cases/open", {"caseId": case["id"]} | rest)

    async def balance(self) -> Any:
        return (await self.get("/api/balance"))["balance"]

    async def comes(self, transport: str) -> "Door":
        """Listen over `websocket`, `polling`, `upgrade`, or `updates` (no socket at all)."""
        door: Door
        if transport == "updates":
            door = UpdatesDoor(self.club, self.token)
        else:
            door = SocketDoor(self.club, transport, {"token": self.token})
        # What happened before this moment is not news.
        await self.club.settled()
        await door.open()
        self.doors.append(door)
        return door

    async def leave(self) -> None:
        for door in self.doors:
            await door.close()
        self.doors.clear()


class Door(ABC):
    """A way to hear what happens. `heard` holds (event, data) in the order they came."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        self._news = asyncio.Condition()

    @abstractmethod
    async def open(self) -> None: ...

    @abstractmethod
    async def close(self) -> None: ...

    async def _hear(self, name: str, data: Any) -> None:
        async with self._news:
            self.heard.append((name, data))
            self._news.notify_all()

    async def hears(self, name: str, count: int = 1) -> Any:
        """Wait until an event has been heard `count` times; its data of that time."""
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: len(self.all(name)) >= count)
        return self.all(name)[count - 1]

    def all(self, name: str) -> list[Any]:
        return [data for heard, data in self.heard if heard == name]

    def names(self) -> list[str]:
        return [name for name, _ in self.heard]


class SocketDoor(Door):
    """python-socketio's client."""

    def __init__(self, club: Club, transport: str, auth: Any = None) -> None:
        super().__init__()
        self._club = club
        self._auth = auth
        self._transports = ["polling", "websocket"] if transport == "upgrade" else [transport]
        self.client = socketio.AsyncClient(reconnection=False)
        self.client.on("*", self._on_event)

    async def _on_event(self, name: str, data: Any = None) -> None:
        await self._hear(name, data)

    async def open(self) -> None:
        await self.client.connect(
            self._club.url,
            transports=self._transports,
            auth=self._auth,
            wait_timeout=PATIENCE_S,
        )

    async def refusal(self) -> Any:
        """What is told to it where it is not let in: the payload of `connect_error`."""
        told: list[Any] = []
        self.client.on("connect_error", told.append)
        with contextlib.suppress(socketio.exceptions.ConnectionError):
            await self.open()
        await self.close()
        assert told, "it was let in"
        return told[0]

    async def ask(self, command: str, *payload: Any) -> Any:
        """Send a command with so many arguments and return its ack."""
        return await self.client.call(command, payload, timeout=PATIENCE_S)

    async def close(self) -> None:
        await self.client.disconnect()


class UpdatesDoor(Door):
    """`GET /api/updates`, one poll after another, from the place where it was opened."""

    def __init__(self, club: Club, token: str | None) -> None:
        super().__init__()
        self._club = club
        self._token = token
        self._task: asyncio.Task[None] | None = None
        self.cursor = ""

    async def open(self) -> None:
        self.cursor = (await self._poll(""))["cursor"]
        self._task = asyncio.create_task(self._follow())

    async def _poll(self, query: str) -> Answer:
        answer = await self._club.call("GET", f"/api/updates{query}", token=self._token)
        assert answer.status == 200, answer.body
        return answer

    async def _follow(self) -> None:
        while True:
            page = await self._poll(f"?after={self.cursor}&wait=20")
            assert page["resync"] is False
            for event in page["events"]:
                await self._hear(event["event"], event["data"])
            self.cursor = page["cursor"]

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task


async def until(condition: Any, what: str) -> Any:
    """Poll something that becomes true by itself; its value then."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        value = await condition()
        if value:
            return value
        await asyncio.sleep(0.01)
    raise AssertionError(f"never happened: {what}")
