"""One request, and the envelope around every answer."""

import json
import ssl
from typing import Any

import aiohttp

from cyberhub_client.errors import ApiError

# "Python" has to stand in it: the server spares python-engineio, which takes 16 packets a poll.
USER_AGENT = f"cyberhub-client/0.1.0 {aiohttp.http.SERVER_SOFTWARE}"


class Http:
    """Requests to one club."""

    def __init__(self, url: str, *, timeout_s: float, tls: ssl.SSLContext | bool) -> None:
        self.url = url
        self._tls = tls
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    def new_session(self, **options: Any) -> aiohttp.ClientSession:
        """A session with connections of its own; whoever asks for it closes it."""
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": USER_AGENT},
            **options,
        )

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        token: str | None = None,
        key: str | None = None,
        timeout_s: float | None = None,
    ) -> dict[str, Any]:
        """The answer. Raises: ApiError."""
        headers = {"Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if key:
            headers["Idempotency-Key"] = key
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body, allow_nan=False).encode()
        if self._session is None:
            self._session = self.new_session()
        timeout = aiohttp.ClientTimeout(total=timeout_s or self._timeout_s)
        try:
            async with self._session.request(
                method,
                self.url + path,
                headers=headers,
                data=data,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                text = await response.text(errors="replace")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise ApiError(0, {"error": _in_words(error)}) from error
        answer = _parsed(text)
        if 200 <= response.status < 300 and answer.get("success") is True:
            return answer
        raise refusal(response, text)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def refusal(response: aiohttp.ClientResponse, text: str) -> ApiError:
    """What an answer says that is no success."""
    # In seconds; as a date (RFC 9110 §10.2.3) the club does not say it.
    retry_after = response.headers.get("Retry-After", "")
    retry_after_s = float(retry_after) if retry_after.isdecimal() else 0.0
    return ApiError(response.status, _parsed(text), retry_after_s)


def _parsed(text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except ValueError:
        return {}
    # A stranger's page may be JSON, too.
    return answer if isinstance(answer, dict) else {}


def _in_words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
