"""The transaction of a request, and what is done once however often it is asked for.

`Idempotency-Key`: the key and the answer are written in the transaction of what is done, so a
crash or a refusal leaves no key behind. The same key and body get the first answer again.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any
from weakref import WeakValueDictionary

from aiohttp import web

from server.db import Transaction
from server.errors import ClubError
from server.keys import DB, TURNS
from server.web.auth import require_member
from server.web.routes import success

KEPT = timedelta(hours=24)

# Two, so that one may commit while the next is on its way.
_AT_ONCE = 2

_KEY = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,254}", re.ASCII)

# The two-number form is a space of locks of its own, so that no key can be chosen to hold one
# of the service's. A collision of hashes costs a needless 409.
_TRY_LOCK = "SELECT pg_try_advisory_xact_lock(1, hashtext($1))"

_FIND = """
    SELECT body_hash, status, answer
      FROM idempotency
     WHERE user_id = $1 AND method = $2 AND path = $3 AND key = $4
       AND created_at > now() - $5::interval
"""

_KEEP = """
    INSERT INTO idempotency (user_id, method, path, key, body_hash, status, answer)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (user_id, method, path, key)
        DO UPDATE SET body_hash = EXCLUDED.body_hash, status = EXCLUDED.status,
                      answer = EXCLUDED.answer, created_at = now()
"""

# In small batches: a long DELETE would hold back whoever writes the same rows.
_DELETE_EXPIRED = """
    WITH gone AS (
        DELETE FROM idempotency
         WHERE ctid = ANY(ARRAY(
               SELECT ctid FROM idempotency WHERE created_at < now() - $1::interval LIMIT 1000))
     RETURNING 1
    )
    SELECT count(*) FROM gone
"""


class BadIdempotencyKey(ClubError):
    code = "bad_idempotency_key"
    sentence = "An Idempotency-Key is 1 to 255 printable ASCII characters."


class IdempotencyInProgress(ClubError):
    status = 409
    code = "idempotency_in_progress"
    sentence = "A request with this Idempotency-Key is being worked on."


class IdempotencyKeyReused(ClubError):
    status = 422
    code = "idempotency_key_reused"
    sentence = "This Idempotency-Key came before with another body."


class Turns:
    """What one member does under keys is done a few at a time.

    Such transactions mostly wait for each other's row locks anyway; here they wait without a
    connection, and leave the pool to others.
    """

    def __init__(self) -> None:
        self._members: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()

    def of(self, member_id: int) -> asyncio.Semaphore:
        """Enter it to have a turn."""
        # Kept while somebody waits or works; forgotten with the last.
        return self._members.setdefault(member_id, asyncio.Semaphore(_AT_ONCE))


class AlreadyAnswered(Exception):
    """The request came before: this is its first answer."""

    def __init__(self, response: web.Response) -> None:
        super().__init__("answered before")
        self.response = response


async def delete_expired(connection: Any) -> None:
    """Remove idempotency keys that have had their day."""
    while await connection.fetchval(_DELETE_EXPIRED, KEPT):
        pass


class KeyedTransaction:
    """A transaction that remembers its answer under the request's Idempotency-Key."""

    def __init__(self, request: web.Request, tx: Transaction) -> None:
        self._request = request
        self.tx = tx
        self.response: web.Response | None = None

    def answer(self, **fields: object) -> web.Response:
        """The answer of the request; sent after the commit."""
        self.response = success(self._request, **fields)
        return self.response


def transaction(request: web.Request) -> AbstractAsyncContextManager[Transaction]:
    """One transaction for the request: all of it happens, or nothing."""
    return request.app[DB].transaction()


@asynccontextmanager
async def keyed_transaction(request: web.Request) -> AsyncIterator[KeyedTransaction]:
    """One transaction of a member, at most once for each Idempotency-Key.

    Raises: BadIdempotencyKey, IdempotencyInProgress, IdempotencyKeyReused, AlreadyAnswered
    (which the middleware answers with).
    """
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        raise BadIdempotencyKey()
    async with request.app[TURNS].of(require_member(request).id), transaction(request) as tx:
        keyed = KeyedTransaction(request, tx)
        if key is None:
            yield keyed
            return
        place = (require_member(request).id, request.method, request.path, key)
        body_hash = hashlib.sha256(await request.read()).digest()
        if not await tx.fetchval(_TRY_LOCK, repr(place)):
            raise IdempotencyInProgress()
        known = await tx.fetchrow(_FIND, *place, KEPT)
        if known is not None:
            if known["body_hash"] != body_hash:
                raise IdempotencyKeyReused()
            raise AlreadyAnswered(
                web.Response(
                    text=known["answer"],
                    status=known["status"],
                    content_type="application/json",
                )
            )
        yield keyed
        if keyed.response is None:
            raise TypeError(f"{request.path} has no answer to remember")
        tx.send(_KEEP, *place, body_hash, keyed.response.status, keyed.response.text)
