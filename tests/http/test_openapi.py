"""The documents that the service makes of itself say what it does, and it does what they say."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from schemathesis import checks

import server
from events import COMMANDS, EVENTS
from server.config import Config
from server.keys import ROUTES
from server.web import asyncapi
from tests.club import Club, Person
from tests.conftest import make_config

ROOT = Path(server.__file__).parent.parent
# Enough to meet every branch of the schemas, and still a few seconds.
EXAMPLES = 12

# DESIGN, section 4: who may enter which door.
CONTRACT = {
    "POST /api/auth/register": "anyone",
    "POST /api/auth/login": "anyone",
    "POST /api/auth/refresh": "member",
    "GET /api/me": "member",
    "GET /api/cases": "anyone",
    "GET /api/cases/{id}": "anyone",
    "GET /api/cases/commitment": "member",
    "POST /api/cases/open": "member",
    "POST /api/admin/cases": "admin",
    "PUT /api/admin/cases/{id}": "admin",
    "DELETE /api/admin/cases/{id}": "admin",
    "PATCH /api/admin/cases/{id}/items": "admin",
    "PUT /api/admin/cases/{id}/price": "admin",
    "GET /api/balance": "member",
    "GET /api/transactions": "member",
    "POST /api/admin/balance/add": "admin",
    "POST /api/admin/balance/subtract": "admin",
    "GET /api/inventory": "member",
    "POST /api/inventory/claim": "member",
    "PUT /api/inventory/{id}/status": "staff",
    "POST /api/payment/create": "member",
    "POST /api/payment/callback": "anyone",
    "GET /api/dialogs": "member",
    "POST /api/dialogs": "member",
    "PATCH /api/dialogs/{id}": "staff",
    "GET /api/dialogs/{id}/messages": "member",
    "POST /api/dialogs/{id}/messages": "member",
    "POST /api/dialogs/{id}/read": "member",
    "PUT /api/dialogs/{id}/members/{userId}": "staff",
    "DELETE /api/dialogs/{id}/members/{userId}": "member",
    "GET /api/chat": "anyone",
    "POST /api/chat": "member",
    "DELETE /api/chat/{id}": "staff",
    "POST /api/chat/mutes": "staff",
    "GET /api/drops": "anyone",
    "GET /api/members": "member",
    "GET /api/events": "member",
    "POST /api/events": "member",
    "GET /api/events/{id}": "member",
    "PUT /api/events/{id}": "member",
    "DELETE /api/events/{id}": "member",
    "POST /api/events/{id}/invitations": "member",
    "PUT /api/events/{id}/participants/me": "member",
    "GET /api/calendar/secret": "member",
    "POST /api/calendar/secret": "member",
    "GET /api/calendar/{secret}.ics": "anyone",
    "GET /api/notifications": "member",
    "POST /api/notifications/read": "member",
    "GET /api/notifications/preferences": "member",
    "PUT /api/notifications/preferences": "member",
    "GET /api/updates": "anyone",
    "GET /api/updates/stream": "anyone",
    "POST /api/reactor/emit": "service",
    "GET /ws/status": "anyone",
    "GET /ws/stats": "anyone",
    "GET /ws/health": "anyone",
    "GET /api/admin/users": "admin",
    "GET /api/admin/connections": "staff",
    "GET /health": "anyone",
    "GET /ready": "anyone",
}


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """Generated requests must neither wait for news nor be stopped by a limit."""
    return make_config(
        dsn,
        tmp_path_factory.mktemp("var"),
        updates_max_wait_s=0.01,
        messages_burst=1_000_000,
        chat_burst=1_000_000,
        calendar_burst=1_000_000,
        lookups_burst=1_000_000,
        dialogs_begun_max=100_000,
        login_failures_per_name="100000/hour",
        login_attempts_per_name="100000/hour",
        login_attempts_per_address="100000/hour",
    )


@pytest.fixture(scope="module")
async def document(club: Club) -> Any:
    answer = await club.call("GET", "/openapi.json")
    assert answer.status == 200
    return answer.body


@pytest.fixture(scope="module")
async def people(club: Club) -> dict[str, Person]:
    """One person of each role."""
    return {
        role: await club.person(role=role, has_password=False)
        for role in ("member", "staff", "admin", "service")
    }


def is_endless(operation: Any) -> bool:
    """Whether the answer goes on for as long as somebody listens."""
    return "text/event-stream" in operation["responses"].get("200", {}).get("content", {})


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method in ("get", "post", "put", "patch", "delete"):
                yield method.upper(), path, operation


# --- nothing is missing ----------------------------------------------------------------------


async def test_every_route_is_documented_and_every_documented_one_exists(
    club: Club, document: Any
) -> None:
    registered = {
        (route.method, route.resource.canonical)
        for route in club.app.router.routes()
        if route.resource is not None and route.resource.canonical.startswith("/api/")
    }
    documented = {(method, path) for method, path, _ in operations(document)}

    assert {each for each in documented if each[1].startswith("/api/")} == registered
    assert {("GET", "/health"), ("GET", "/ready")} <= documented


async def test_every_route_of_the_contract_exists_with_its_who(
    club: Club, document: Any
) -> None:
    documented = {
        f"{method} {path}": operation["x-who"] for method, path, operation in operations(document)
    }
    assert {name: documented.get(name) for name in CONTRACT} == CONTRACT


async def test_every_operation_says_what_it_takes_and_answers(document: Any) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    for method, path, operation in operations(document):
        assert operation["summary"], path
        good = [status for status in operation["responses"] if status.startswith("2")]
        assert len(good) == 1, (method, path)
        assert "503" in operation["responses"]
        declared = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path))


async def test_documents_and_their_page_are_served(club: Club) -> None:
    page = await club.call("GET", "/docs")
    assert page.status == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "/static/vendor/swagger-ui-dist/" in page.body
    asset = await club.call("GET", "/static/vendor/swagger-ui-dist/swagger-ui.css")
    assert asset.status == 200
    assert (await club.call("GET", "/asyncapi.json"))["asyncapi"].startswith("3.")


async def test_every_event_and_command_is_in_asyncapi_and_in_the_docs(club: Club) -> None:
    made = (await club.call("GET", "/asyncapi.json")).body
    messages = {message["name"] for message in made["components"]["messages"].values()}
    names = {event.documented_name() for event in EVENTS.values()} | COMMANDS.keys()

    assert messages == names
    written = (ROOT / "docs" / "events.md").read_text()
    assert written == asyncapi.markdown(), "docs/events.md is old: run `make docs`"
    assert all(f"`{name}`" in written for name in names)


async def test_events_that_existing_pages_listen_to_keep_their_names(club: Club) -> None:
    documented = {event.documented_name() for event in EVENTS.values()}
    assert {
        "cases:updated",
        "balance:updated:{userId}",
        "inventory:updated:{userId}",
        "drop:new",
        "auth:expired",
        "server:draining",
        "pong",
        "chat:message",
        "dialog_update",
        "new_message",
        "subscribed",
    } <= documented
    commands = {"user:identify", "ping", "subscribe", "dialog:send", "dialog:typing", "chat:send"}
    assert commands <= COMMANDS.keys()


# --- who may enter ---------------------------------------------------------------------------


async def test_doors_let_in_whom_they_say_and_nobody_else(
    club: Club, document: Any, people: dict[str, Person]
) -> None:
    allowed = {
        "anyone": set(people),
        "member": {"member", "staff", "admin"},
        "staff": {"staff", "admin"},
        "admin": {"admin"},
        "service": {"service", "admin"},
    }
    for method, path, operation in operations(document):
        if is_endless(operation):
            # A wrong cursor: whoever is let in is told so, and the answer ends.
            path = f"{path}?after=x"
        # An id and a body that lead nowhere: whoever is let in is told so, and nothing changes.
        place = re.sub(r"\{\w+\}", str(2**53 - 1), path)
        body = None if method == "GET" else {}
        anonymous = await club.call(method, place, body)
        assert (anonymous.status == 401) == (operation["x-who"] != "anyone"), (method, path)
        for role, person in people.items():
            answer = await person.call(method, place, body)
            is_in = role in allowed[operation["x-who"]]
            assert (answer.status == 403) == (not is_in), (method, path, role, answer.body)
            assert answer.status < 500 and answer.status != 401, (method, path, role)


async def test_routes_say_the_same_in_code_and_document(club: Club, document: Any) -> None:
    for route in club.app[ROUTES]:
        if not route.hidden:
            operation = document["paths"][route.path][route.method.lower()]
            needs_token = operation["security"] == [{"token": []}]
            assert needs_token == bool(route.who) == (operation["x-who"] != "anyone")


# --- schemathesis ----------------------------------------------------------------------------


async def test_generated_requests_find_no_500_and_no_answer_beside_its_schema(
    club: Club, document: Any, people: dict[str, Person], database: Any
) -> None:
    case = await club.create_case(price=0.01)
    admin = await club.admin()
    await admin.post("/api/admin/balance/add", {"userId": admin.id, "amount": 1000})
    for _ in range(3):
        await admin.opens(case)
    schema = schemathesis.openapi.from_dict(document)
    schema.config.base_url = club.url
    headers = {"Authorization": f"Bearer {admin.token}"}
    wanted = [
        checks.not_a_server_error,
        schemathesis.checks.CHECKS.get_one("status_code_conformance"),
        schemathesis.checks.CHECKS.get_one("content_type_conformance"),
        schemathesis.checks.CHECKS.get_one("response_schema_conformance"),
    ]

    def hold(operation: Any) -> None:
        """Send generated requests to one operation; in a thread, since the client blocks."""

        @seed(2026)
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
        )
        @given(case=operation.as_strategy())
        def send(case: Any) -> None:
            case.call_and_validate(checks=wanted, headers=headers)

        send()

    for result in schema.get_all_operations():
        operation = result.ok()
        if not is_endless(document["paths"][operation.path][operation.method]):
            await asyncio.to_thread(hold, operation)
    assert (await club.call("GET", "/health"))["status"] == "ok"
