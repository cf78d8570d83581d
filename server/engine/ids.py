"""Ids of sessions and clients: who knows one may speak for it, so nobody guesses it."""

import base64
import os

# In bytes. 15 are 20 characters, as python-engineio's ids have; three of its bytes are a counter.
_SIZE = 15
# The kernel is asked for so many ids at once: asking costs more than making one.
_AT_ONCE = 256

_pool: list[bytes] = []
# A forked process would give the same ids as this one.
os.register_at_fork(after_in_child=_pool.clear)


def new_id() -> str:
    """20 characters of the URL-safe alphabet, made of 120 random bits."""
    if not _pool:
        random = os.urandom(_SIZE * _AT_ONCE)
        _pool.extend(random[at : at + _SIZE] for at in range(0, len(random), _SIZE))
    return base64.urlsafe_b64encode(_pool.pop()).decode()
