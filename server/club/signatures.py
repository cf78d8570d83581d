"""Signature schemes of payment callbacks: named plug-ins behind one `verify`."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from server import strict_json
from server.config import Provider
from server.errors import ClubError, Invalid

TOLERANCE = timedelta(minutes=5)

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNIX_SECONDS = re.compile(r"\d{1,12}", re.ASCII)


class InvalidSignature(ClubError):
    code = "invalid_signature"
    sentence = "The signature does not match, or its time is off."


class Scheme(Protocol):
    """How a provider proves that a callback is its own."""

    def verify(
        self, secrets: Iterable[str], headers: Mapping[str, str], raw_body: bytes, now: datetime
    ) -> None:
        """Raises: InvalidSignature, MalformedJson, Invalid."""


class BodySignature:
    """Hex HMAC-SHA256 in the body's `signature` over its other fields.

    The fields are sorted by name and written `name=value`, joined by line feeds; a string
    stands there without its quotes, a number exactly as it was written.
    """

    def verify(
        self, secrets: Iterable[str], headers: Mapping[str, str], raw_body: bytes, now: datetime
    ) -> None:
        fields = _flat_fields(raw_body)
        given = fields.pop("signature", "")
        text = fields.get("timestamp", "")
        if not _UNIX_SECONDS.fullmatch(text):
            raise InvalidSignature("A signed callback has a timestamp in Unix seconds.")
        if abs(now.timestamp() - int(text)) > TOLERANCE.total_seconds():
            raise InvalidSignature("The callback's timestamp is more than five minutes off.")
        # As bytes: the constant-time compare refuses text beyond ASCII with an error.
        claimed = given.lower().encode()
        signed = [
            hmac.compare_digest(body_signature(secret, fields).encode(), claimed)
            for secret in secrets
        ]
        if not any(signed):
            raise InvalidSignature()


class StandardWebhooks:
    """The Standard Webhooks specification 1.0: signed headers over the raw body."""

    def verify(
        self, secrets: Iterable[str], headers: Mapping[str, str], raw_body: bytes, now: datetime
    ) -> None:
        plain = {name.lower(): value for name, value in headers.items()}
        for secret in secrets:
            try:
                # The library holds the clock to five minutes itself. What the body means is not
                # its business: JSON is read strictly, and in one place.
                _webhook(secret).verify(raw_body, plain, json_parse=False)
                return
            except (WebhookVerificationError, ValueError):
                continue
        raise InvalidSignature()


SCHEMES: dict[str, Scheme] = {
    "body": BodySignature(),
    "standard-webhooks": StandardWebhooks(),
}


def verify(
    providers: Iterable[Provider], headers: Mapping[str, str], raw_body: bytes, now: datetime
) -> str:
    """The name of the provider that signed this. Raises: InvalidSignature, MalformedJson."""
    scheme = scheme_of(headers)
    reason = InvalidSignature()
    for provider in providers:
        if scheme in provider.schemes:
            try:
                SCHEMES[scheme].verify(provider.secrets, headers, raw_body, now)
                return provider.name
            except InvalidSignature as error:
                reason = error
    raise reason


def scheme_of(headers: Mapping[str, str]) -> str:
    """A request with a `webhook-id` header is `standard-webhooks`."""
    return "standard-webhooks" if "webhook-id" in headers else "body"


def body_signature(secret: str, fields: Mapping[str, str]) -> str:
    """What the `body` scheme expects for these fields (without `signature`)."""
    text = "\n".join(f"{name}={fields[name]}" for name in sorted(fields))
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def webhook_headers(secret: str, message_id: str, now: datetime, body: str) -> dict[str, str]:
    """The headers that the `standard-webhooks` scheme expects."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": _webhook(secret).sign(message_id, now, body),
    }


def _webhook(secret: str) -> Webhook:
    return Webhook("whsec_" + base64.b64encode(secret.encode()).decode())


def _flat_fields(raw_body: bytes) -> dict[str, str]:
    """The body's fields as the texts that were signed."""
    body: dict[str, str] = strict_json.loads(raw_body, parse_float=str, parse_int=str)
    if not isinstance(body, dict):
        raise Invalid("The body must be an object.")
    for name, value in body.items():
        if not isinstance(value, str):
            raise Invalid(f"{name}: Must be text or a number.", fields={name: ["Not a value."]})
        # A line feed inside a value could pretend to be the next field.
        if _CONTROL.search(value) or _CONTROL.search(name):
            raise Invalid("Control characters are not allowed.", fields={name: ["Control."]})
    return body
