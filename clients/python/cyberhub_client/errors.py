"""What a request is refused with."""

from collections.abc import Mapping
from typing import Any

#: The codes that blame a token.
TOKEN_AT_FAULT = frozenset({"unauthorized", "invalid_token", "token_expired"})

_LATER = frozenset({0, 429, 502, 503, 504})


class ApiError(Exception):
    """The club said no, or nobody answered (`status` 0).

    `code` is for programs, the text for people; `fields` says what is wrong with each of them.
    """

    def __init__(
        self, status: int, body: Mapping[str, Any] | None = None, retry_after_s: float = 0.0
    ) -> None:
        body = body or {}
        super().__init__(str(body.get("error") or f"HTTP {status}"))
        self.status = status
        self.code = str(body.get("code") or ("network" if status == 0 else f"http_{status}"))
        self.fields: Mapping[str, Any] = body.get("fields") or {}
        self.request_id = str(body.get("requestId") or "")
        self.retry_after_s = retry_after_s
        # A page with a 2xx is a stranger's in between: a hotel's, a firewall's.
        self._is_strange = 200 <= status < 400

    @property
    def is_undecided(self) -> bool:
        """Whether the same request may end otherwise later: nothing was decided."""
        return (
            self.status in _LATER
            or self._is_strange
            or self.code == "idempotency_in_progress"
        )


class SignedOut(ApiError):
    """The club does not take the token any more, and a fresh one cannot be had."""

    def __init__(self, cause: ApiError) -> None:
        super().__init__(cause.status, {"error": str(cause), "code": cause.code})
