"""What a caller does in the club."""

import asyncio
import random
import time
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from cyberhub_client.commands import Route
from cyberhub_client.doors.socket import SocketDoor
from cyberhub_client.errors import ApiError
from cyberhub_client.line import Line
from cyberhub_client.outbox import Entry, Outbox
from cyberhub_client.requests import Requests

_MONEY_ATTEMPTS = 5
_LONGEST_PAUSE_S = 5.0


class Actions(Requests):
    """Openings, payments, commands."""

    _line: Line
    _outbox: Outbox
    _routes: Mapping[str, Callable[[dict[str, Any]], Route]]

    async def money(
        self, path: str, body: Any, *, key: str | None = None, queue: bool = False
    ) -> dict[str, Any]:
        """A POST that moves money: asked until it is decided, carried out once.

        The club knows it by `key` for 24 hours: with a key of the caller's own, it may be asked
        again after a restart, too. With `queue`, what cannot be decided now waits for the
        connection, in turn, for 23 hours at most. Raises: ApiError.
        """
        key, since = key or str(uuid.uuid4()), time.time()
        if queue and not self._online.is_set():
            return await self._outbox.done(path, body, key, since)
        for attempt in range(1, _MONEY_ATTEMPTS + 1):
            try:
                return await self.request("POST", path, body, key=key)
            except ApiError as error:
                if not error.is_undecided or error.status == 429:
                    raise
                if queue and not self._online.is_set():
                    break
                if attempt == _MONEY_ATTEMPTS:
                    raise
                wait_s = min(error.retry_after_s or 0.25 * 2**attempt, _LONGEST_PAUSE_S)
            await asyncio.sleep(wait_s * random.uniform(0.75, 1.25))
        return await self._outbox.done(path, body, key, since)

    async def _send(self, entry: Entry) -> dict[str, Any]:
        return await self.request("POST", entry.path, entry.body, key=entry.key)

    async def open_case(
        self,
        case_id: int,
        *,
        client_seed: str | None = None,
        key: str | None = None,
        queue: bool = False,
    ) -> dict[str, Any]:
        """`{item, balance, inventoryId, opening}`. Raises: ApiError."""
        body = {"caseId": case_id} | ({} if client_seed is None else {"clientSeed": client_seed})
        return await self.money("/api/cases/open", body, key=key, queue=queue)

    async def claim(
        self, inventory_id: int, *, key: str | None = None, queue: bool = False
    ) -> dict[str, Any]:
        """Turn a prize into its value: `{balance}`. Raises: ApiError."""
        body = {"inventoryId": inventory_id}
        return await self.money("/api/inventory/claim", body, key=key, queue=queue)

    async def topup(
        self, amount: Decimal | float, *, key: str | None = None, queue: bool = False
    ) -> dict[str, Any]:
        """`{payment: {id, amount, status, payUrl}}`: where it is to be paid. Raises: ApiError."""
        # Two decimals survive the way through a float and back.
        body = {"amount": float(amount)}
        return await self.money("/api/payment/create", body, key=key, queue=queue)

    async def emit(self, command: str, data: dict[str, Any] | None = None) -> dict[str, Any]:
        """A command over the socket, or by its route where there is none. Raises: ApiError."""
        door = self._line.door
        if isinstance(door, SocketDoor):
            answer = await door.ask(command, data or {})
            if answer.get("success") is not True:
                # An ack has no status; what it refuses is answered 400 by most routes.
                raise ApiError(400, answer)
            return answer
        if command not in self._routes:
            error = {"error": f"{command} needs a socket.", "code": "no_socket"}
            raise ApiError(0, error)
        method, path, body = self._routes[command](data or {})
        return await self.request(method, path, body)
