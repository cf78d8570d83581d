"""Bad input gets a clear error in the envelope, and the service lives on."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from server.config import Config
from tests.club import Answer, Club, Person, line
from tests.conftest import make_config

LARGEST_BODY = 20_000


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    return make_config(dsn, tmp_path_factory.mktemp("var"), body_max_bytes=LARGEST_BODY)


def refused(answer: Answer, status: int, *codes: str) -> bool:
    """Whether this is the envelope of such a refusal, with nothing of our insides."""
    body = answer.body
    names = {"success", "error", "code", "requestId"}
    assert answer.status == status, body
    assert names <= body.keys() <= names | {"fields"}
    assert body["success"] is False
    assert body["code"] in codes, body
    assert body["error"].endswith(".") or "fields" in body or body["code"] == "malformed_json"
    assert body["requestId"] == answer.headers["X-Request-ID"]
    assert answer.headers["Content-Type"].startswith("application/json")
    for inside in ("Traceback", "SELECT", "asyncpg", "marshmallow", ".py"):
        assert inside not in json.dumps(body)
    return True


MALFORMED = [
    b"{",
    b'{"caseId": 1',
    b'{"caseId": 1}}',
    b"{'caseId': 1}",
    b'{"caseId": 1,}',
    b"caseId=1",
    b'{"caseId": NaN}',
    b'{"caseId": Infinity}',
    b'{"caseId": 1, "caseId": 2}',
    b'{"caseId": 01}',
    b'{"caseId": ' + b"9" * 5000 + b"}",
    b"\xff\xfe{}",
    b'\xef\xbb\xbf{"caseId": 1}',
    b'{"caseId": "\xed\xa0\x80"}',
    b'{"client\x00Seed": 1}',
    b"[" * 9_000,
    b'{"a":' * 3_000,
]


@pytest.mark.parametrize("raw", MALFORMED, ids=lambda raw: repr(raw[:20]))
async def test_body_that_is_no_json_is_called_so(
    club: Club, player: Person, raw: bytes
) -> None:
    answer = await player.post("/api/cases/open", raw=raw)
    assert refused(answer, 400, "malformed_json")
    assert await player.balance() == 100


WRONG = [
    None,
    [],
    [{"caseId": 1}],
    "caseId",
    7,
    True,
    {},
    {"caseId": None},
    {"caseId": True},
    {"caseId": "1"},
    {"caseId": [1]},
    {"caseId": {"id": 1}},
    {"caseId": 1.0},
    {"caseId": 0},
    {"caseId": -1},
    {"caseId": 2**53},
    {"caseId": 10**300},
    {"caseId": 1, "price": 0},
    {"caseId": 1, "": 0},
    {"caseId": 1, "case_id": 1},
    {"caseId": 1, "\ud800": 1},
    {"caseId": 1, "clientSeed": "\ud800"},
    {"caseId": 1, "clientSeed": "a\x00b"},
    {"caseId": 1, "__proto__": {}},
    {"CaseId": 1},
]


@pytest.mark.parametrize("body", WRONG, ids=lambda body: ascii(body)[:40])
async def test_body_of_wrong_form_is_refused_with_the_field(
    club: Club, player: Person, body: Any
) -> None:
    answer = await player.post("/api/cases/open", raw=json.dumps(body))
    assert refused(answer, 400, "validation_failed")
    assert answer["fields"]
    assert await player.balance() == 100


async def test_unknown_field_is_named_also_deep_inside(club: Club) -> None:
    admin = await club.admin()
    body = {"name": "x", "price": 1, "items": [line(), line(color="red")]}
    answer = await admin.post("/api/admin/cases", body)
    assert refused(answer, 400, "validation_failed")
    assert answer["fields"] == {"items": {"1": {"color": ["Unknown field."]}}}


async def test_body_is_read_whatever_its_content_type_says(club: Club, player: Person) -> None:
    case = await club.create_case(price=1)
    raw = json.dumps({"caseId": case["id"]})
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "nonsense"):
        headers = {"Content-Type": content_type}
        assert (await player.post("/api/cases/open", raw=raw, headers=headers)).status == 200


@pytest.mark.parametrize("text", ["a\x00b", "a\x1bb", "\ud800", "a\u2028b", "a\nb"])
async def test_text_with_control_characters_or_half_a_pair_is_refused_everywhere(
    club: Club, player: Person, text: str
) -> None:
    admin = await club.admin()
    answers = [
        await admin.post(
            "/api/admin/balance/add", {"userId": player.id, "amount": 1, "reason": text}
        ),
        await admin.post(
            "/api/admin/cases", {"name": text, "price": 1, "items": [line()]}
        ),
        await admin.post(
            "/api/admin/cases", {"name": "x", "image": "/" + text, "price": 1, "items": [line()]}
        ),
        await admin.post(
            "/api/admin/cases", {"name": "x", "price": 1, "items": [line(name=text)]}
        ),
        await club.call("POST", "/api/auth/login", {"username": text, "password": "x" * 8}),
        await club.call("POST", "/api/auth/login", {"username": "x", "password": text * 8}),
        await club.call("POST", "/api/auth/register", {"username": text, "password": "x" * 8}),
    ]
    for answer in answers:
        assert refused(answer, 400, "validation_failed")
    assert await player.balance() == 100


async def test_body_that_is_too_large_is_refused_and_the_service_lives_on(
    club: Club, player: Person
) -> None:
    for raw in (b"x" * (LARGEST_BODY + 1), b'{"a": "' + b"x" * 1_000_000 + b'"}'):
        for path in ("/api/cases/open", "/api/payment/callback", "/api/auth/login"):
            answer = await player.post(path, raw=raw)
            assert refused(answer, 413, "body_too_large")
            assert (await club.call("GET", "/health")).status == 200


async def test_body_without_a_length_is_counted_as_it_comes(club: Club, player: Person) -> None:
    async def endless() -> Any:
        for _ in range(100):
            yield b" " * 4096

    headers = {"Authorization": f"Bearer {player.token}"}
    async with club.http.post(
        f"{club.url}/api/cases/open", data=endless(), headers=headers
    ) as response:
        assert response.status == 413
        assert (await response.json())["code"] == "body_too_large"


async def test_same_connection_serves_on_after_a_refusal(club: Club, player: Person) -> None:
    headers = {"Authorization": f"Bearer {player.token}"}
    async with aiohttp.ClientSession(
        club.url, connector=aiohttp.TCPConnector(limit=1), headers=headers
    ) as one:
        for raw in MALFORMED[:6]:
            async with one.post("/api/cases/open", data=raw) as response:
                assert response.status == 400
                await response.read()
        async with one.get("/api/balance") as response:
            assert (await response.json())["balance"] == 100


@pytest.mark.parametrize(
    "name",
    ["0", "-1", str(2**53), str(2**63), "9" * 100, "1.0", "1e1", "x", "%00", "%D9%A1", "01", "+1"]
    + ["%ED%A0%80", "1%20", "%F0%9F%92%A9", "..%2F1", "null"],
)
async def test_id_out_of_range_in_a_path_is_not_found(
    club: Club, player: Person, name: str
) -> None:
    staff = await club.admin()
    answers = [
        await player.get(f"/api/cases/{name}"),
        await player.get(f"/api/cases/openings/{name}"),
        await player.get(f"/api/inventory/{name}"),
        await staff.call("PUT", f"/api/inventory/{name}/status", {"status": "issued"}),
        await staff.call("DELETE", f"/api/admin/cases/{name}"),
    ]
    for answer in answers:
        assert refused(answer, 404, "not_found")


async def test_id_that_nobody_has_is_not_found_by_its_own_code(
    club: Club, player: Person
) -> None:
    largest = 2**53 - 1
    assert refused(await player.get(f"/api/cases/{largest}"), 404, "case_not_found")
    assert refused(await player.get(f"/api/cases/openings/{largest}"), 404, "opening_not_found")
    assert refused(await player.get(f"/api/inventory/{largest}"), 404, "item_not_found")


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/api", "/api/", "/api/nothing", "/api/cases/", "/static/../setup.cfg"]
    + ["/static/%2e%2e/%2e%2e/setup.cfg", "/static/vendor/ws/package.json", "/api/cases/1/2/3"]
    + ["/static/%00", "/static/" + "x" * 3000, "/.env", "/var/secrets.json", "/server/app.py"]
    + ["/static/vendor/preact/..%2f..%2fpackage.json"],
)
async def test_path_that_is_not_there_is_not_found_in_the_envelope(club: Club, path: str) -> None:
    async with club.http.get(club.url + path) as response:
        answer = Answer(response.status, await response.json(), response.headers)
    assert refused(answer, 404, "not_found")


async def test_method_that_is_not_there_is_refused_and_the_others_are_named(club: Club) -> None:
    for method, path, allowed in (
        ("DELETE", "/api/cases", "GET"),
        ("GET", "/api/auth/login", "POST"),
        ("PATCH", "/api/admin/cases/1/price", "PUT"),
        ("POST", "/health", "GET"),
        ("PROPFIND", "/api/cases/open", "POST"),
    ):
        answer = await club.call(method, path)
        assert refused(answer, 405, "method_not_allowed")
        assert allowed in answer.headers["Allow"].split(","), path


@pytest.mark.parametrize(
    "query", ["after=x", "after=", "after=0", "after=deadbeef.01", "after=deadbeef." + "9" * 19]
)
async def test_cursor_that_cannot_be_read_is_called_so(club: Club, query: str) -> None:
    assert refused(await club.call("GET", f"/api/updates?{query}"), 400, "bad_cursor")


@pytest.mark.parametrize("wait", ["x", "-1", "nan", "inf", "1e400", ""])
async def test_wait_that_is_no_time_is_refused(club: Club, wait: str) -> None:
    answer = await club.call("GET", f"/api/updates?wait={wait}")
    assert refused(answer, 400, "validation_failed")


async def test_odd_names_in_a_query_do_no_harm(club: Club, player: Person) -> None:
    admin = await club.admin()
    for query in ("limit=1&limit=2", "_=1234", "q=%00", "q=%ED%A0%80", "q=%27%3B--", "limit[]=1"):
        for path in ("/api/admin/users", "/api/transactions", "/api/drops"):
            assert (await admin.get(f"{path}?{query}")).status in (200, 400)


async def test_bytes_that_are_no_http_are_refused_and_the_service_lives_on(club: Club) -> None:
    host, port = club.url.removeprefix("http://").split(":")
    for raw in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /api/cases HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/cases/open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        b"GET /api/cases HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(raw)
        said = await asyncio.wait_for(reader.read(100_000), 10)
        writer.close()
        await writer.wait_closed()
        assert said.startswith(b"HTTP/1.1 4") or said.startswith(b"HTTP/1.0 4"), said[:200]
        assert b"Traceback" not in said and b".py" not in said
    assert (await club.call("GET", "/health")).status == 200


async def test_request_id_is_on_good_answers_too(club: Club) -> None:
    first, second = await club.call("GET", "/api/cases"), await club.call("GET", "/api/cases")
    ids = {first.headers["X-Request-ID"], second.headers["X-Request-ID"]}
    assert len(ids) == 2 and all(ids)
