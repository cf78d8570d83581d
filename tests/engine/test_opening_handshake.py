"""The opening handshake of a WebSocket, rule by rule. Sections are those of RFC 6455."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request

from server.engine.handshake import Refusal, accept

# The example of §1.3.
HEADERS = {
    "host": "server.example.com",
    "upgrade": "websocket",
    "connection": "Upgrade",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
}


def status(**changes: str | None) -> int:
    """What the example is answered with, some headers changed, or left out where None."""
    changed = {name.replace("_", "-"): value for name, value in changes.items()}
    headers = {name: value for name, value in (HEADERS | changed).items() if value is not None}
    answer = accept("GET", "1.1", headers)
    if isinstance(answer, Refusal):
        assert answer.message
        return answer.status
    return int(answer.split()[1])


def test_the_example_of_the_rfc_is_accepted() -> None:
    """§1.3, §4.2.2."""
    answer = accept("GET", "1.1", HEADERS)
    assert isinstance(answer, bytes)
    first, *lines = answer.decode().split("\r\n")
    assert first == "HTTP/1.1 101 Switching Protocols"
    assert sorted(lines) == [
        "",
        "",
        "Connection: Upgrade",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "Upgrade: websocket",
    ]


def test_wsproto_is_content_with_the_answer() -> None:
    client = WSConnection(ConnectionType.CLIENT)
    lines = client.send(Request(host="club.example", target="/socket.io/")).decode().split("\r\n")
    headers = {
        name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:-2])
    }
    answer = accept("GET", "1.1", headers)
    assert isinstance(answer, bytes)
    client.receive_data(answer)
    assert list(client.events()) == [AcceptConnection()]


@pytest.mark.parametrize("method", ["POST", "HEAD", "CONNECT", "get"])
def test_another_method_is_refused(method: str) -> None:
    """§4.2.1, 1."""
    assert accept(method, "1.1", HEADERS).status == 400


@pytest.mark.parametrize("version", ["0.9", "1.0", "2.0", ""])
def test_another_version_of_http_is_refused(version: str) -> None:
    """§4.2.1, 1."""
    assert accept("GET", version, HEADERS).status == 400


def test_a_host_is_needed() -> None:
    """§4.2.1, 2."""
    assert status(host=None) == 400


@pytest.mark.parametrize("value", ["WebSocket", "WEBSOCKET", "h2c, websocket", "h2c,\twebsocket ,"])
def test_upgrade_is_a_list_in_any_case(value: str) -> None:
    """§4.2.1, 3."""
    assert status(upgrade=value) == 101


@pytest.mark.parametrize(
    "value", [None, "", "h2c", "websockets", "web socket", "websocket/13", "web\u017focket"]
)
def test_an_upgrade_to_something_else_is_refused(value: str | None) -> None:
    """§4.2.1, 3. U+017F, the long s, is an s to whoever compares without regard to case."""
    assert status(upgrade=value) == 400
    assert status(upgrade="websoc\u212aet") == 400


@pytest.mark.parametrize("value", ["upgrade", "UPGRADE", "keep-alive, Upgrade", "Upgrade,close"])
def test_connection_is_a_list_in_any_case(value: str) -> None:
    """§4.2.1, 4."""
    assert status(connection=value) == 101


@pytest.mark.parametrize("value", [None, "", "keep-alive", "upgraded", "keep-alive Upgrade"])
def test_a_connection_that_is_not_upgraded_is_refused(value: str | None) -> None:
    """§4.2.1, 4: a proxy has taken the header away."""
    assert status(connection=value) == 400


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25j",
        "dGhlIHNhbXBsZSBub25jZTE=",
        "dGhlIHNhbXBsZSBub25jZTEy",
        "dGhlIHNhbXBsZ!Bub25jZQ==",
        "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==",
        "я" * 24,
        "\udcff" * 24,
    ],
)
def test_a_key_that_is_not_16_bytes_in_base64_is_refused(value: str | None) -> None:
    """§4.2.1, 5; §11.3.1."""
    assert status(sec_websocket_key=value) == 400


@pytest.mark.parametrize("value", [None, "", "8", "12", "14", "013", "13, 8"])
def test_another_version_of_the_protocol_is_told_which_one_is_spoken(value: str | None) -> None:
    """§4.2.1, 6; §4.4; RFC 9110 §15.5.22."""
    assert status(sec_websocket_version=value) == 426
    refusal = accept("GET", "1.1", HEADERS | {"sec-websocket-version": "8"})
    assert dict(refusal.headers) == {
        "Sec-WebSocket-Version": "13",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
    }


def test_extensions_and_subprotocols_are_passed_over() -> None:
    """§4.2.2, 5 and 6."""
    offered = {
        "sec-websocket-extensions": "permessage-deflate; client_max_window_bits",
        "sec-websocket-protocol": "chat, superchat",
    }
    assert accept("GET", "1.1", HEADERS | offered) == accept("GET", "1.1", HEADERS)


@given(st.dictionaries(st.sampled_from(sorted(HEADERS)), st.text(max_size=30)))
def test_any_header_is_accepted_or_refused(headers: dict[str, str]) -> None:
    answer = accept("GET", "1.1", HEADERS | headers)
    assert isinstance(answer, bytes) or answer.status in (400, 426)
