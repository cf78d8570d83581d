"""The draw: which line of a case wins, so that anyone can check it. No I/O here.

`docs/fairness.md` explains it; `docs/verify_opening.py` does it offline.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from fractions import Fraction

_SPACE = 2**256
_MILLION = 1_000_000


def new_server_seed() -> str:
    """256 random bits as 64 hex digits."""
    return secrets.token_hex(32)


def new_client_seed() -> str:
    """For members who bring none of their own."""
    return secrets.token_hex(8)


def seed_hash(server_seed: str) -> str:
    """The commitment: SHA-256 of the seed's text, in hex."""
    return hashlib.sha256(server_seed.encode()).hexdigest()


def roll(server_seed: str, client_seed: str, nonce: int, total: int) -> int:
    """A number from 0 to total − 1, each equally likely.

    HMAC-SHA256 with the seed's text as key over `clientSeed:nonce`, read as a 256-bit
    big-endian integer. What lies above the last multiple of `total` is rejected, or small
    numbers would come up more often; then `clientSeed:nonce:1` is taken, `:2`, and so on.
    """
    limit = _SPACE - _SPACE % total
    message = f"{client_seed}:{nonce}"
    attempt = 0
    while True:
        suffix = f":{attempt}" if attempt else ""
        digest = hmac.digest(server_seed.encode(), (message + suffix).encode(), "sha256")
        number = int.from_bytes(digest, "big")
        if number < limit:
            return number % total
        attempt += 1


def pick(weights: Sequence[int], rolled: int) -> int:
    """The index of the first line whose running sum of weights exceeds the roll."""
    running = 0
    for index, weight in enumerate(weights):
        running += weight
        if rolled < running:
            return index
    raise ValueError(f"a roll of {rolled} is beyond the sum of weights {running}")


def chances(weights: Sequence[int]) -> list[float]:
    """Each weight's share with six decimals; the shares sum to exactly 1 (or all are 0).

    Largest remainder: rounding each by itself would give sums like 0.999999.
    """
    total = sum(weights)
    if total == 0:
        return [0.0] * len(weights)
    exact = [Fraction(weight * _MILLION, total) for weight in weights]
    parts = [int(share) for share in exact]
    by_remainder = sorted(range(len(weights)), key=lambda i: parts[i] - exact[i])
    for index in by_remainder[: _MILLION - sum(parts)]:
        parts[index] += 1
    return [part / _MILLION for part in parts]
