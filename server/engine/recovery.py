"""What the engine asks of a log so that clients who come back miss nothing.

The wire is Socket.IO's connection state recovery
(https://socket.io/docs/v4/connection-state-recovery): the CONNECT reply carries a secret `pid`,
an event ends with its place in the log, and who returns says both. The log is somebody else's:
here is what it has to offer, for the main namespace.
"""

from typing import Any, NamedTuple, Protocol


class RecoveryUnavailable(Exception):
    """The log does not answer: the client is cut off, and comes back by itself."""


class Missed(NamedTuple):
    """An event that a client has to be told late; one without `offset` is in no log."""

    name: str
    arguments: tuple[Any, ...]
    offset: str | None


class Ticket(Protocol):
    """What a client that claims to return may have, as far as can be said before it is let in."""

    @property
    def pid(self) -> str | None:
        """What it was given, if it may go on with that."""

    @property
    def sid(self) -> str | None:
        """The id that it had, if it may have it again."""


class Replay(Protocol):
    """The way of one client from where it was to where everybody is."""

    async def read(self) -> list[Missed]:
        """The next it missed of what has been told here, oldest first; [] when nothing is left.

        Before `settle` also when little is left. Raises: RecoveryUnavailable.
        """

    def settle(self) -> None:
        """What is told from now on reaches the client live: `read` goes no further than here."""


class Return(Replay, Protocol):
    """The same for a client that is about to be let in."""

    @property
    def unfinished(self) -> str | None:
        """The `pid` of a client that was being told what it missed before, and that has not.

        What came of that waits in its buffer, unseen by its offset.
        """

    async def finished(self) -> None:
        """Its buffer is empty now: forget what `unfinished` says. Raises: RecoveryUnavailable."""

    def end(self) -> str | None:
        """Nothing is left to read: the client is let in. Returns its `pid`: the one that it came
        with if it has missed nothing, else another, or None for a client without recovery."""


class Recovery(Protocol):
    """A log of what was told, and who was told how much of it.

    Invariants
        Between `open` or `settle` and the live delivery to the client lies no await: what has
        been told here until then is the client's past, what is told after it comes live.
    """

    #: Whether clients get a `pid` at all; without, only `after` counts, the place in the log
    #: that a client names itself.
    enabled: bool

    async def examine(self, auth: dict[str, Any], *, recovers: bool) -> Ticket | None:
        """Look at what a client says in CONNECT, before it is let in; None: it is a new one.

        Without `recovers` it is to have no `pid`, and what it may know of one does not count.
        Raises: RecoveryUnavailable.
        """

    def open(self, sid: str, *, recovers: bool) -> str | None:
        """A new client is in as of now. Returns its `pid`, or None without `recovers`."""

    async def resume(self, sid: str, ticket: Any, *, recovers: bool) -> Return:
        """The client with the ticket was let in as `sid`. Raises: RecoveryUnavailable."""

    def ended(self, pid: str) -> None:
        """The client has said goodbye, or was thrown out: it does not come back with this."""
