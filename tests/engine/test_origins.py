"""Which pages and programs get in: CORS for polling, Origin for WebSockets, and desktop clients."""

from typing import Any

import pytest

from tests.engine.conftest import Serve
from tests.engine.raw_http import Response
from tests.engine.raw_websocket import Refused
from tests.engine.rig import Rig, quiet_server

CLUB = "https://club.example"
OTHER = "https://evil.example"
FORBIDDEN = (403, 4)


async def asks(rig: Rig, origin: str | None, method: str = "GET", **headers: str) -> Response:
    """A handshake over polling as a page of this origin sends it."""
    sent = headers | ({"Origin": origin} if origin is not None else {})
    connection = await rig.http()
    return await connection.request(method, rig.target(), headers=sent)


async def opens(rig: Rig, origin: str | None) -> bool:
    """Whether a WebSocket gets in; if not, it has been refused as forbidden."""
    try:
        websocket = await rig.websocket(headers={"Origin": origin} if origin is not None else {})
    except Refused as refused:
        assert refused.response.error == FORBIDDEN
        return False
    assert str(await websocket.receive()).startswith("0{")
    return True


async def test_a_listed_page_gets_in_with_its_credentials(serve: Serve) -> None:
    rig = await serve(quiet_server(cors_allowed_origins=[CLUB, "http://localhost:5173"]))

    response = await asks(rig, CLUB)

    assert response.status == 200
    assert response.headers["access-control-allow-origin"] == CLUB
    assert response.headers["access-control-allow-credentials"] == "true"
    assert response.headers["vary"].lower() == "origin"
    assert await opens(rig, CLUB)


async def test_any_other_page_is_refused(serve: Serve) -> None:
    rig = await serve(quiet_server(cors_allowed_origins=[CLUB]))

    for origin in (OTHER, "http://club.example", f"{CLUB}:8443", f"{CLUB}.evil.example", "null"):
        response = await asks(rig, origin)
        assert response.error == FORBIDDEN, origin
        assert "access-control-allow-origin" not in response.headers
        assert not await opens(rig, origin)
    assert rig.eio.sockets == {}


async def test_a_page_of_a_session_is_asked_again_with_every_request(serve: Serve) -> None:
    """A session id is no pass: another page that knows it may not read or write there."""
    rig = await serve(quiet_server(cors_allowed_origins=[CLUB]))
    session = await rig.polling()

    stolen = await session.posts.request("POST", session.target, "40", {"Origin": OTHER})
    read = await session.posts.request("GET", session.target, headers={"Origin": OTHER})

    assert (stolen.error, read.error) == (FORBIDDEN, FORBIDDEN)
    await session.connect()


async def test_all_pages_get_in_where_all_may_but_without_credentials(serve: Serve) -> None:
    rig = await serve(quiet_server(cors_allowed_origins="*"))

    response = await asks(rig, OTHER)

    assert response.status == 200
    assert response.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in response.headers
    assert await opens(rig, OTHER)


async def test_unless_told_only_the_servers_own_pages_get_in(serve: Serve) -> None:
    rig = await serve(quiet_server())

    own = await asks(rig, "http://club.example", Host="club.example")
    other = await asks(rig, OTHER, Host="club.example")

    assert own.status == 200
    assert other.error == FORBIDDEN
    assert await opens(rig, "http://club.example")
    assert not await opens(rig, OTHER)


async def test_the_check_can_be_left_to_what_is_in_front(serve: Serve) -> None:
    rig = await serve(quiet_server(cors_allowed_origins=[]))

    response = await asks(rig, OTHER)

    assert response.status == 200
    assert not [name for name in response.headers if name.startswith("access-control")]
    assert await opens(rig, OTHER)


async def test_the_application_may_decide(serve: Serve) -> None:
    def ours(origin: str, environ: dict[str, Any]) -> bool:
        return origin.endswith(".club.example") and environ["PATH_INFO"] == "/socket.io/"

    rig = await serve(quiet_server(cors_allowed_origins=ours))

    assert (await asks(rig, "https://hall3.club.example")).status == 200
    assert (await asks(rig, OTHER)).error == FORBIDDEN
    assert await opens(rig, "https://hall3.club.example")
    assert not await opens(rig, OTHER)


async def test_a_program_without_origin_gets_in(serve: Serve) -> None:
    rig = await serve(quiet_server(cors_allowed_origins=[CLUB]))

    response = await asks(rig, None)

    assert response.status == 200
    # Or a cache would give a page the answer that has no headers for it.
    assert response.headers["vary"].lower() == "origin"
    assert "access-control-allow-origin" not in response.headers
    assert await opens(rig, None)


async def test_a_program_without_origin_can_be_refused(serve: Serve) -> None:
    rig = await serve(quiet_server(cors_allowed_origins=[CLUB], origin_required=True))

    assert (await asks(rig, None)).error == FORBIDDEN
    assert not await opens(rig, None)
    assert await opens(rig, CLUB)


@pytest.mark.parametrize("origin", ["null", "file://", "app://club", "app://-"])
async def test_a_desktop_program_gets_in_only_if_listed(serve: Serve, origin: str) -> None:
    open_rig = await serve(quiet_server(cors_allowed_origins=[CLUB, origin]))
    closed_rig = await serve(quiet_server(cors_allowed_origins=[CLUB]))

    response = await asks(open_rig, origin)

    assert response.headers["access-control-allow-origin"] == origin
    assert await opens(open_rig, origin)
    assert (await asks(closed_rig, origin)).error == FORBIDDEN
    assert not await opens(closed_rig, origin)


async def test_a_whole_scheme_may_be_listed(serve: Serve) -> None:
    rig = await serve(quiet_server(cors_allowed_origins=["app://*"]))

    assert await opens(rig, "app://club")
    assert not await opens(rig, "application://club")
    assert not await opens(rig, "https://app://")


async def test_a_preflight_is_answered_without_a_session(serve: Serve) -> None:
    rig = await serve(quiet_server(cors_allowed_origins=[CLUB]))
    wanted = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }

    response = await asks(rig, CLUB, "OPTIONS", **wanted)
    refused = await asks(rig, OTHER, "OPTIONS", **wanted)

    assert response.status in (200, 204)
    assert response.headers["access-control-allow-origin"] == CLUB
    assert response.headers["access-control-allow-headers"] == "authorization,content-type"
    assert {"GET", "POST"} <= set(response.headers["access-control-allow-methods"].split(", "))
    assert "origin" in response.headers["vary"].lower()
    assert "access-control-allow-origin" not in refused.headers
    assert rig.eio.sockets == {}


async def test_a_page_may_read_why_it_was_refused(serve: Serve) -> None:
    """Without the CORS headers a client would see an error without a code."""
    rig = await serve(quiet_server(cors_allowed_origins=[CLUB], max_http_buffer_size=100))
    session = await rig.polling()

    unknown = await session.polls.request(
        "GET", rig.target(sid="nobody"), headers={"Origin": CLUB}
    )
    too_big = await session.posts.request(
        "POST", session.target, "4" + "x" * 200, {"Origin": CLUB}
    )

    assert unknown.error == (400, 1)
    assert too_big.status == 413
    for response in (unknown, too_big):
        assert response.headers["access-control-allow-origin"] == CLUB
