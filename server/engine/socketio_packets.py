"""Socket.IO packets, revision 5, in JSON: text, and the binary parts that follow it.

Source: the Socket.IO protocol, https://socket.io/docs/v4/socket-io-protocol/. A packet is
`<type>[<attachments>-][<namespace>,][<ack id>][<JSON>]`.
"""

import json
from json.encoder import (  # type: ignore[attr-defined]
    c_make_encoder,
    encode_basestring,
    encode_basestring_ascii,
)
from typing import Any

from server.engine.packets import PacketError

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = range(7)

#: Names that the socket's own life has in every client: no event may be called so.
RESERVED = frozenset(
    ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener")
)

# As far as a JavaScript number counts exactly.
_MAX_ACK_DIGITS = 16


class Packet:
    """A packet that has come; `missing` binary parts are still to come."""

    __slots__ = ("_attachments", "_size", "data", "id", "missing", "namespace", "type")

    def __init__(
        self, type_: int, namespace: str, id_: int | None, data: Any, missing: int = 0
    ) -> None:
        self.type = type_
        self.namespace = namespace
        self.id = id_
        self.data = data
        self.missing = missing
        self._attachments: list[bytes] | None = None
        self._size = 0

    def attach(self, attachment: bytes, *, max_size: int) -> None:
        """Add a binary part; with the last one the data is whole. Raises: PacketError."""
        self._size += len(attachment)
        if self._size > max_size:
            raise PacketError("the binary parts are too big together")
        if self._attachments is None:
            self._attachments = []
        self._attachments.append(attachment)
        self.missing -= 1
        if not self.missing:
            try:
                self.data = self._filled(self.data)
            except RecursionError:
                raise PacketError("the payload is nested too deep") from None

    def _filled(self, data: Any) -> Any:
        if isinstance(data, list):
            return [self._filled(each) for each in data]
        if isinstance(data, dict):
            if data.get("_placeholder") is True:
                number, parts = data.get("num"), self._attachments or []
                if type(number) is not int or not 0 <= number < len(parts):
                    raise PacketError("a placeholder for nothing")
                return parts[number]
            return {key: self._filled(each) for key, each in data.items()}
        return data


class _Encoder(json.JSONEncoder):
    """JSON without spaces; what is binary leaves a placeholder and goes into `attachments`."""

    def __init__(self, *, ensure_ascii: bool) -> None:
        super().__init__(separators=(",", ":"), ensure_ascii=ensure_ascii, allow_nan=False)
        self.attachments: list[bytes] = []
        #: `encode` as the json module would do it, but for the encoder in C that it makes anew
        #: for each text: that costs as much as what a usual event takes.
        self.chunks: Any = None
        if c_make_encoder is not None:
            basestring = encode_basestring_ascii if ensure_ascii else encode_basestring
            self.chunks = c_make_encoder(
                None, self.default, basestring, None, ":", ",", False, False, False
            )

    def encode(self, o: Any) -> str:
        if self.chunks is None:
            return super().encode(o)
        try:
            return "".join(self.chunks(o, 0))
        except RecursionError:
            raise ValueError("JSON that is too deep, or contains itself") from None

    def default(self, o: Any) -> Any:
        if isinstance(o, (bytes, bytearray, memoryview)):
            self.attachments.append(bytes(o))
            return {"_placeholder": True, "num": len(self.attachments) - 1}
        return super().default(o)


class JsonCodec:
    """Packets to what Engine.IO carries, and back."""

    def __init__(self, *, max_attachments: int) -> None:
        self._max_attachments = max_attachments
        self._encoder = _Encoder(ensure_ascii=False)
        self._ascii_encoder = _Encoder(ensure_ascii=True)
        self._decoder: Any = json.JSONDecoder(parse_constant=_no_constant)

    def encode(
        self, type_: int, namespace: str, data: Any = None, id_: int | None = None
    ) -> tuple[str | bytes, ...]:
        """The text and the binary parts of a packet.

        Raises: TypeError or ValueError for what JSON cannot say (NaN among it).
        """
        text, attachments = self._json(data)
        if namespace == "/" and not attachments:
            return (f"{type_}{text}" if id_ is None else f"{type_}{id_}{text}",)
        head = str(type_)
        if attachments:
            head = f"{BINARY_EVENT if type_ == EVENT else BINARY_ACK}{len(attachments)}-"
        if namespace != "/":
            head += namespace + ","
        if id_ is not None:
            head += str(id_)
        return (head + text, *attachments)

    def _json(self, data: Any) -> tuple[str, list[bytes]]:
        if data is None:
            return "", []
        encoder = self._encoder
        attachments: list[bytes] = []
        encoder.attachments = attachments
        text = encoder.encode(data)
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                # Half of a surrogate pair, which UTF-8 has no bytes for and JSON has an escape.
                encoder = self._ascii_encoder
                encoder.attachments = attachments = []
                text = encoder.encode(data)
        return text, attachments

    def decode(self, text: str) -> Packet:
        """A packet of a client. Raises: PacketError."""
        usual = self._usual(text)
        if usual is not None:
            return usual
        type_ = ord(text[0]) - 48 if text else -1
        if not 0 <= type_ <= BINARY_ACK or type_ == CONNECT_ERROR:
            raise PacketError("an unknown packet type")
        at, missing = 1, 0
        if type_ >= BINARY_EVENT:
            dash = text.find("-", 1, 12)
            if dash < 0:
                raise PacketError("no number of attachments")
            missing, at = _number(text[1:dash]), dash + 1
            if missing > self._max_attachments:
                raise PacketError("too many attachments")
        namespace = "/"
        if text.startswith("/", at):
            comma = text.find(",", at)
            namespace = text[at:] if comma < 0 else text[at:comma]
            namespace = namespace.partition("?")[0]
            at = len(text) if comma < 0 else comma + 1
        begin = at
        while text[at : at + 1].isdigit():
            at += 1
        id_ = _number(text[begin:at]) if at > begin else None
        data = self._data(text, at) if at < len(text) else None
        _check(type_, data)
        if type_ >= BINARY_EVENT and not missing:
            type_ -= BINARY_EVENT - EVENT
        return Packet(type_, namespace, id_, data, missing)

    def _usual(self, text: str) -> Packet | None:
        """An event of the main namespace without attachments, in half the time; None: look again.

        What it takes `decode` would take as well.
        """
        if text[:1] != "2":
            return None
        at = text.find("[", 1, 2 + _MAX_ACK_DIGITS)
        digits = text[1:at]
        if at < 1 or (digits and not (digits.isascii() and digits.isdigit())):
            return None
        try:
            data, end = self._decoder.scan_once(text, at)
        except (StopIteration, ValueError, RecursionError):
            return None
        if end != len(text) or not data or type(data[0]) is not str or data[0] in RESERVED:
            return None
        return Packet(EVENT, "/", int(digits) if digits else None, data)

    def _data(self, text: str, at: int) -> Any:
        try:
            try:
                data, end = self._decoder.scan_once(text, at)
            except StopIteration:
                end = -1
            if end != len(text):
                # Spaces around it, or no JSON.
                data = self._decoder.decode(text[at:])
            return data
        except (ValueError, RecursionError):
            raise PacketError("the payload is not JSON") from None


def _number(digits: str) -> int:
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _MAX_ACK_DIGITS):
        raise PacketError("a number is too long, or none")
    return int(digits)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _check(type_: int, data: Any) -> None:
    if type_ == CONNECT:
        valid = data is None or isinstance(data, dict)
    elif type_ == DISCONNECT:
        valid = data is None
    else:
        valid = isinstance(data, list)
        if valid and type_ in (EVENT, BINARY_EVENT):
            name = data[0] if data else None
            valid = (type(name) is str and name not in RESERVED) or type(name) is int
    if not valid:
        raise PacketError("an invalid payload")


class SerializerCodec:
    """The same for python-socketio's `serializer` or `json` option: its packet class does it."""

    def __init__(self, packet_class: Any, *, max_attachments: int) -> None:
        self._packet_class = packet_class
        self._max_attachments = max_attachments

    def encode(
        self, type_: int, namespace: str, data: Any = None, id_: int | None = None
    ) -> tuple[str | bytes, ...]:
        encoded = self._packet_class(type_, data=data, namespace=namespace, id=id_).encode()
        return tuple(encoded) if isinstance(encoded, list) else (encoded,)

    def decode(self, encoded: str | bytes) -> Packet:
        try:
            came = self._packet_class(encoded_packet=encoded)
            type_, data = came.packet_type, came.data
            missing = came.attachment_count
        except Exception:
            # Whatever a serializer raises for what is not its own.
            raise PacketError("not a packet of this serializer") from None
        if type(type_) is not int or not 0 <= type_ <= BINARY_ACK or type_ == CONNECT_ERROR:
            raise PacketError("an unknown packet type")
        if missing > self._max_attachments:
            raise PacketError("too many attachments")
        _check(type_, data)
        return Packet(type_, came.namespace or "/", came.id, data, missing)
