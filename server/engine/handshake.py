"""The opening handshake of a WebSocket (RFC 6455 §4.2)."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass(slots=True, frozen=True)
class Refusal:
    """Why a handshake is refused."""

    status: int
    headers: tuple[tuple[str, str], ...]
    message: str


def accept(method: str, version: str, headers: Mapping[str, str]) -> bytes | Refusal:
    """The bytes of the 101 answer, or why not."""
    key = headers.get("sec-websocket-key", "")
    accepted = base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accepted + b"\r\n\r\n"
    )
