"""What a socket may come back with: signed, so that any worker believes it after any restart."""

import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass

from server.realtime.cursor import Cursor

# Bytes of the signature: 128 bits cannot be guessed.
_MAC = 16
# Two sockets that begin at one place of the log are told apart by so many random bytes.
_NONCE = 6
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Pid:
    """Where a socket began, whose it is (0: nobody's), and its sid."""

    cursor: Cursor
    member_id: int
    sid: str


class Pids:
    """Makes and reads them. The text is a secret between the server and the socket."""

    def __init__(self, secret: str) -> None:
        # A key of its own: what is signed here must never pass for something else.
        self._key = hmac.digest(secret.encode(), b"cyberhub recovery", "sha256")

    def make(self, cursor: Cursor, member_id: int, sid: str) -> str:
        body = f"{cursor}.{member_id}.{sid}.{secrets.token_urlsafe(_NONCE)}"
        return f"{body}.{self._mac(body)}"

    def read(self, text: str) -> Pid | None:
        """None for what this club has not signed."""
        body, _, mac = text.rpartition(".")
        if len(text) > _LONGEST or not text.isascii():
            return None
        if not hmac.compare_digest(mac, self._mac(body)):
            return None
        epoch, position, member_id, sid, _ = body.split(".")
        return Pid(Cursor(epoch, int(position)), int(member_id), sid)

    def _mac(self, body: str) -> str:
        digest = hmac.digest(self._key, body.encode(), "sha256")[:_MAC]
        return urlsafe_b64encode(digest).decode().rstrip("=")
