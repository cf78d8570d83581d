"""Password hashes: argon2id (RFC 9106) on a few threads of its own."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from server.errors import Unavailable

# Each hash takes 64 MiB while it runs; two at a time keep a rush of sign-ins from taking the
# machine's memory and all of its cores.
_THREADS = 2


class Passwords:
    """Hashes and verifies without holding up the event loop.

    Raises: Unavailable when more wait for it than can be served in time.
    """

    def __init__(self, *, max_waiting: int = 50) -> None:
        self._max_waiting = max_waiting
        self._hasher = PasswordHasher()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="argon2")
        self._waiting = 0
        self._of_nobody = self._hasher.hash("no password has this hash")

    async def hash(self, password: str) -> str:
        return await self._run(self._hasher.hash, password)

    async def matches(self, password_hash: str | None, password: str) -> bool:
        """Whether the password has this hash.

        None (no such member, or one without a password) takes as long as any other, so the
        time of the answer does not tell which names exist.
        """
        correct = await self._run(self._verify, password_hash or self._of_nobody, password)
        return bool(correct) and password_hash is not None

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, function, *args):  # type: ignore[no-untyped-def]
        if self._waiting >= self._max_waiting:
            raise Unavailable("Too many people sign in at once.", retry_after_s=2)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, function, *args
            )
        finally:
            self._waiting -= 1
