"""The opening handshake of a WebSocket (RFC 6455 §4.2), as a pure function of a request's head.

No extension and no subprotocol is ever agreed upon: what a client offers is passed over in silence,
which is how a server declines (§4.2.2).
"""

import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

# §1.3.
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass(slots=True, frozen=True)
class Refusal:
    """Why a handshake is refused: the answer's status, its headers, a sentence."""

    status: int
    headers: tuple[tuple[str, str], ...]
    message: str


def accept(method: str, version: str, headers: Mapping[str, str]) -> bytes | Refusal:
    """The bytes of the 101 answer (§4.2.2), or why not.

    `version` is HTTP's, like "1.1". `headers` has lower-case names; several lines of one name are
    joined by a comma. Origins are not looked at here.
    """
    # §4.2.1 says "or higher", but HTTP/2 and 3 know no Upgrade (RFC 8441 and 9220 are their way).
    if method != "GET" or version != "1.1":
        return _bad("A WebSocket begins with a GET of HTTP/1.1")
    if "host" not in headers:
        return _bad("The Host header is missing")
    if not _names(headers.get("upgrade", ""), "websocket"):
        return _bad("The Upgrade header does not name websocket")
    if not _names(headers.get("connection", ""), "upgrade"):
        return _bad("The Connection header does not name Upgrade")
    if headers.get("sec-websocket-version") != "13":
        # §4.4; a 426 also says to what (RFC 9110 §15.5.22).
        return Refusal(
            426,
            (
                ("Sec-WebSocket-Version", "13"),
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
            ),
            "Only version 13 of the WebSocket protocol is spoken here",
        )
    key = headers.get("sec-websocket-key", "")
    if not _is_key(key):
        return _bad("Sec-WebSocket-Key is not 16 bytes in base64")
    digest = hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()
    answer = binascii.b2a_base64(digest, newline=False)
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + answer + b"\r\n\r\n"
    )


def _bad(message: str) -> Refusal:
    return Refusal(400, (), message)


def _names(value: str, token: str) -> bool:
    """Whether a list of tokens holds this one, in whatever case."""
    # Outside ASCII there are letters (the Kelvin sign) whose lower case is an ASCII letter.
    lower = value.lower()
    if lower == token:
        return value.isascii()
    return value.isascii() and token in (each.strip(" \t") for each in lower.split(","))


def _is_key(value: str) -> bool:
    try:
        return len(binascii.a2b_base64(value, strict_mode=True)) == 16
    except ValueError:
        return False
