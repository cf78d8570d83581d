"""What a caller asks of the club over HTTP."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from cyberhub_client.backoff import Backoff
from cyberhub_client.errors import TOKEN_AT_FAULT, ApiError
from cyberhub_client.http import Http
from cyberhub_client.renewal import Renewal
from cyberhub_client.session import Sessions
from cyberhub_client.timing import Timing

T = TypeVar("T")


class Requests:
    """Requests as whoever is signed in."""

    _http: Http
    _sessions: Sessions
    _renewal: Renewal
    _timing: Timing
    _online: asyncio.Event
    _is_running: bool

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        timeout_s: float | None = None,
    ) -> dict[str, Any]:
        """One request as whoever is signed in. Raises: ApiError."""
        if not self._is_running:
            raise RuntimeError("the client is not entered: use `async with`")
        token = self._sessions.now.token
        try:
            return await self._http.request(
                method, path, body=body, token=token, key=key, timeout_s=timeout_s
            )
        except ApiError as error:
            if token is None or error.status != 401 or error.code not in TOKEN_AT_FAULT:
                raise
            # Nothing was done: it may be asked again with a token that is taken.
            await self._renewal.after_refusal()
            fresh = self._sessions.now.token
            if fresh is None or fresh == token:
                raise
        return await self._http.request(
            method, path, body=body, token=fresh, key=key, timeout_s=timeout_s
        )

    async def get(self, path: str, *, timeout_s: float | None = None) -> dict[str, Any]:
        return await self.request("GET", path, timeout_s=timeout_s)

    async def post(self, path: str, body: Any = None) -> dict[str, Any]:
        """Once; what must not be lost on the way goes by `money`."""
        return await self.request("POST", path, body)

    async def put(self, path: str, body: Any = None) -> dict[str, Any]:
        return await self.request("PUT", path, body)

    async def patch(self, path: str, body: Any = None) -> dict[str, Any]:
        return await self.request("PATCH", path, body)

    async def delete(self, path: str) -> dict[str, Any]:
        return await self.request("DELETE", path)

    async def when_online(self) -> None:
        """Wait until the state is `online`."""
        await self._online.wait()

    async def eventually(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do it again for as long as nobody answers: for what has to be loaded anew because an
        event says so, since no event repeats the news. Raises: what is decided."""
        backoff = Backoff(self._timing.retry)
        while True:
            try:
                return await work()
            except ApiError as error:
                if not error.is_undecided:
                    raise
                wait_s = max(backoff.next(), error.retry_after_s)
            await asyncio.sleep(wait_s)
            await self.when_online()
