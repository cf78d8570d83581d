"""Engine.IO packets, revision 4: what one looks like on each transport.

Source: the Engine.IO protocol, https://socket.io/docs/v4/engine-io-protocol/. A packet is a
digit and data. On a WebSocket a text frame is a packet and a binary frame is a MESSAGE's bare
data. In long-polling packets are joined by 0x1E, and binary data is `b` and base64.
"""

import binascii
import json
from functools import lru_cache
from json.encoder import encode_basestring_ascii

from server.engine.frames import BINARY, TEXT, frame

OPEN, CLOSE, PING, PONG, MESSAGE, UPGRADE, NOOP = "0123456"

SEPARATOR = b"\x1e"

PING_PACKET = PING.encode()
PING_FRAME = frame(TEXT, b"2")
PROBE_ANSWER_FRAME = frame(TEXT, b"3probe")


class PacketError(ValueError):
    """What came is no packet, or none that may come here."""


class Message:
    """One or several MESSAGEs that belong together, ready for either transport.

    A broadcast makes one for all its recipients: each shape is built once, when the first of
    them needs it. `parts` are str (text) and bytes (binary), in order.
    """

    __slots__ = ("_frames", "_polled", "parts")

    def __init__(self, *parts: str | bytes) -> None:
        self.parts = parts
        self._frames: bytes | None = None
        self._polled: bytes | None = None

    @property
    def frames(self) -> bytes:
        """As WebSocket frames, one after another."""
        if self._frames is None:
            if len(self.parts) == 1:
                self._frames = _frame_of(self.parts[0])
            else:
                self._frames = b"".join(_frame_of(part) for part in self.parts)
        return self._frames

    @property
    def polled(self) -> bytes:
        """As a part of a long-polling payload, without separators around it."""
        if self._polled is None:
            self._polled = SEPARATOR.join(_polled(part) for part in self.parts)
        return self._polled


#: How the frame of a short MESSAGE begins, by its payload's size: most are short.
_HEADS = tuple(frame(TEXT, bytes(size))[:-size] + b"4" for size in range(1, 126))


def _frame_of(part: str | bytes) -> bytes:
    if isinstance(part, str):
        data = part.encode()
        if len(data) < len(_HEADS):
            return _HEADS[len(data)] + data
        return frame(TEXT, b"4" + data)
    return frame(BINARY, bytes(part))


def _polled(part: str | bytes) -> bytes:
    if isinstance(part, str):
        return b"4" + part.encode()
    return b"b" + binascii.b2a_base64(part, newline=False)


def decode_payload(body: bytes) -> list[str | bytes]:
    """The packets of one POST: text as it is, with its type; binary data as bytes.

    Raises: PacketError.
    """
    try:
        packets = body.decode().split("\x1e")
    except UnicodeDecodeError:
        raise PacketError("the payload is not UTF-8") from None
    return [_packet(packet) for packet in packets]


def _packet(packet: str) -> str | bytes:
    if packet[:1] != "b":
        return packet
    try:
        # ASCII alone, by the protocol: a2b_base64 passes over what it does not know.
        return binascii.a2b_base64(packet[1:].encode("ascii"), strict_mode=len(packet) > 1)
    except (ValueError, binascii.Error):
        raise PacketError("binary data is not base64") from None


def open_packet(
    sid: str,
    *,
    upgrades: tuple[str, ...],
    ping_interval: float,
    ping_timeout: float,
    max_payload: int,
) -> str:
    """The handshake's answer. Intervals in seconds; on the wire they are milliseconds."""
    rest = _after_sid(upgrades, ping_interval, ping_timeout, max_payload)
    return f'{OPEN}{{"sid":{encode_basestring_ascii(sid)},{rest}'


@lru_cache
def _after_sid(
    upgrades: tuple[str, ...], ping_interval: float, ping_timeout: float, max_payload: int
) -> str:
    return json.dumps(
        {
            "upgrades": upgrades,
            "pingInterval": round(ping_interval * 1000),
            "pingTimeout": round(ping_timeout * 1000),
            "maxPayload": max_payload,
        },
        separators=(",", ":"),
    )[1:]
