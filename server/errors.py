"""Errors with a code and a status: what a client is told when something is refused.

Doors let them pass; `server.web.middleware` and its twin for acks turn them into the envelope
`{"success": false, "error", "code", "fields"?, "requestId"}`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class ClubError(Exception):
    """A refusal that the client is told of, in one sentence and one code."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "refused"
    sentence: ClassVar[str] = "This is not possible."

    def __init__(
        self,
        sentence: str | None = None,
        *,
        fields: Mapping[str, Any] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(sentence or self.sentence)
        self.fields = fields
        self.retry_after_s = retry_after_s

    def envelope(self, request_id: str | None = None) -> dict[str, Any]:
        """The error as clients read it (DESIGN: HTTP envelope)."""
        body: dict[str, Any] = {"success": False, "error": str(self), "code": self.code}
        if self.fields:
            body["fields"] = self.fields
        if request_id:
            body["requestId"] = request_id
        return body


class Invalid(ClubError):
    """The request is not of the agreed form; `fields` says where."""

    code = "validation_failed"
    sentence = "Some fields are not valid."


class MalformedJson(ClubError):
    code = "malformed_json"
    sentence = "The body is not valid JSON."


class Unauthorized(ClubError):
    status = 401
    code = "unauthorized"
    sentence = "Sign in first."


class InvalidToken(ClubError):
    status = 401
    code = "invalid_token"
    sentence = "The token is not valid."


class TokenExpired(ClubError):
    status = 401
    code = "token_expired"
    sentence = "The token has expired."


class Forbidden(ClubError):
    status = 403
    code = "forbidden"
    sentence = "You are not allowed to do this."


class NotYourself(Forbidden):
    code = "not_yourself"
    sentence = "The token is another member's."


class NotFound(ClubError):
    status = 404
    code = "not_found"
    sentence = "There is no such thing."


class TooManyRequests(ClubError):
    """Carries `retry_after_s`, seconds."""

    status = 429
    code = "too_many_requests"
    sentence = "Too many attempts. Try again later."


class Unavailable(ClubError):
    """The service cannot answer now; a later try may succeed."""

    status = 503
    code = "unavailable"
    sentence = "The service is not ready. Try again in a moment."

    def __init__(self, sentence: str | None = None, *, retry_after_s: int = 1) -> None:
        super().__init__(sentence, retry_after_s=retry_after_s)


class DatabaseUnavailable(Unavailable):
    code = "database_unavailable"
    sentence = "The database does not answer. Try again in a moment."


class Draining(Unavailable):
    code = "draining"
    sentence = "The server is restarting. Try again in a moment."


class RealtimeDisabled(Unavailable):
    code = "realtime_disabled"
    sentence = "Real time is switched off. Use GET /api/updates."


class InternalError(ClubError):
    """What a client sees of a defect: the request id finds it in the log."""

    status = 500
    code = "internal_error"
    sentence = "Something went wrong on our side."
