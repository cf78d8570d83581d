"""What a client may use of the server. Every bound has a safe default and a counter."""

from dataclasses import dataclass

from server.engine.networks import network_of


@dataclass(slots=True, frozen=True)
class Limits:
    """The bounds of one engine. Sizes in bytes, times in seconds."""

    #: One message of a client; one POST of long-polling.
    max_http_buffer_size: int = 1_000_000
    #: Kept for a client that does not read. Past it volatile events are dropped, then it goes.
    max_outgoing_bytes: int = 1_048_576
    #: Binary parts of one Socket.IO packet; their sizes together are bound as one message is.
    max_attachments: int = 32
    #: Namespaces that one session is in, or was thrown out of.
    max_namespaces: int = 32
    #: Events of one socket: so many at once, then so many a second.
    events_per_second: float = 100.0
    events_burst: int = 1000
    #: Handlers of one session that run at once; past it nothing more is read from it.
    max_handlers: int = 64
    #: A whole club sits behind one address.
    max_sessions_per_address: int = 2000
    #: New sessions of one address: so many at once, then so many a second.
    handshakes_per_second: float = 200.0
    handshakes_burst: int = 2000
    #: From the handshake to the first CONNECT.
    connect_timeout: float = 45.0
    #: From the opening of a probing WebSocket to its UPGRADE.
    upgrade_timeout: float = 10.0
    #: For the closing handshake of a WebSocket, and for the last polls of a session that closes.
    close_timeout: float = 5.0
    #: Frames of one WebSocket message.
    max_fragments: int = 1024
    #: The front door: a request's line and headers, the time for them, for the body, between two.
    max_head_bytes: int = 16_384
    head_timeout: float = 10.0
    body_timeout: float = 30.0
    keepalive_timeout: float = 75.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be greater than zero")


@dataclass(slots=True)
class Counters:
    """How often each bound was met since the start."""

    refused_address: int = 0
    refused_handshakes: int = 0
    refused_origins: int = 0
    slow_closed: int = 0
    volatile_dropped: int = 0
    namespaces_refused: int = 0
    flood_refused: int = 0
    flood_closed: int = 0
    reading_paused: int = 0
    too_big: int = 0
    parse_errors: int = 0
    ping_timeouts: int = 0
    connect_timeouts: int = 0
    upgrade_timeouts: int = 0
    requests_timed_out: int = 0


class Rate:
    """So many at once, then so many a second, in one number (GCRA, as in ATM Forum TM 4.0 §4.4.2).

    `arrival` is when the next would be due if all came evenly; the caller keeps it.
    """

    __slots__ = ("_ahead", "_step")

    def __init__(self, per_second: float, burst: int) -> None:
        self._step = 1.0 / per_second
        # Half a step is left to the rounding of many additions: or of one, none would be admitted.
        self._ahead = (burst - 0.5) * self._step

    def admit(self, arrival: float, now: float) -> float | None:
        """The new `arrival`; None when there were too many."""
        if arrival < now:
            arrival = now
        return arrival + self._step if arrival - now <= self._ahead else None

    def wait(self, arrival: float, now: float) -> float:
        """Seconds until another one is admitted."""
        return max(0.0, arrival - self._ahead - now)


# Nobody knows when a session of this address will end.
_TRY_AGAIN_S = 60.0


@dataclass(slots=True)
class _Caller:
    sessions: int = 0
    arrival: float = 0.0


class Callers:
    """The sessions of each address. An address that has none and had none lately is forgotten."""

    __slots__ = ("_by_network", "_counters", "_most", "_next_sweep", "_rate")

    def __init__(self, limits: Limits, counters: Counters) -> None:
        self._most = limits.max_sessions_per_address
        self._rate = Rate(limits.handshakes_per_second, limits.handshakes_burst)
        self._counters = counters
        self._by_network: dict[str, _Caller] = {}
        self._next_sweep = 0.0

    def enter(self, address: str, now: float) -> float | None:
        """Count one more session. Returns None, or after how many seconds to try again."""
        if now >= self._next_sweep:
            self._sweep(now)
        caller = self._by_network.setdefault(network_of(address), _Caller())
        if caller.sessions >= self._most:
            self._counters.refused_address += 1
            return _TRY_AGAIN_S
        arrival = self._rate.admit(caller.arrival, now)
        if arrival is None:
            self._counters.refused_handshakes += 1
            return self._rate.wait(caller.arrival, now)
        caller.arrival = arrival
        caller.sessions += 1
        return None

    def leave(self, address: str) -> None:
        self._by_network[network_of(address)].sessions -= 1

    def _sweep(self, now: float) -> None:
        self._next_sweep = now + 60.0
        for network, caller in list(self._by_network.items()):
            if not caller.sessions and caller.arrival <= now:
                del self._by_network[network]
