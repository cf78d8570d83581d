"""How long a connection lives is its client's to say (RFC 9112 §9.3)."""

import pytest

from server.engine import make_server
from tests.engine.conftest import Serve


@pytest.mark.parametrize("revision, status", [("4", 200), ("3", 400)])
@pytest.mark.parametrize(
    "version, connection, stays",
    [
        ("1.1", None, True),
        ("1.1", "Keep-Alive", True),
        ("1.1", "close", False),
        ("1.1", "TE, Close", False),
        ("1.0", None, False),
        ("1.0", "keep-alive", True),
    ],
)
async def test_a_connection_lives_as_long_as_its_client_says(
    serve: Serve, version: str, connection: str | None, stays: bool, revision: str, status: int
) -> None:
    rig = await serve(make_server(close_timeout=0.1))
    http = await rig.http()
    headers = {} if connection is None else {"Connection": connection}

    response = await http.request(
        "GET", rig.target(EIO=revision), headers=headers, version=version
    )

    assert response.status == status
    if stays:
        assert "close" not in response.headers.get("connection", "")
        assert (await http.request("GET", rig.target())).status == 200
    else:
        assert await http.rest() == b""


async def test_the_last_answer_says_that_it_is_the_last(serve: Serve) -> None:
    rig = await serve(make_server(close_timeout=0.1))
    http = await rig.http()

    response = await http.request("GET", rig.target(), headers={"Connection": "close"})

    assert response.headers["connection"] == "close"
