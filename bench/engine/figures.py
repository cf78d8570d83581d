"""What is measured, in which unit, and what the engine is to reach."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Aim:
    """At most `limit` times the peer's figure; without a peer, at most `limit` itself."""

    limit: float
    peer: str | None = "node_ws"


@dataclass(frozen=True)
class Figure:
    """One row of the table."""

    key: str
    title: str
    unit: str
    aims: tuple[Aim, ...] = field(default=())


FIGURES = (
    Figure("fanout_1k", "Fan-out to 1,000 WebSockets, a delivery", "µs",
           (Aim(0.65), Aim(1.1, "node_uws"))),
    Figure("fanout_10k", "Fan-out to 10,000 WebSockets, a delivery", "µs",
           (Aim(0.5), Aim(0.95, "node_uws"))),
    Figure("targeted", "Emit to `user:{id}`, one of 1,000 rooms", "µs", (Aim(0.8),)),
    Figure("echo", "Echo with ack", "µs", (Aim(0.85),)),
    Figure("connect", "Connect: handshake, CONNECT, connect handler", "µs", (Aim(0.5),)),
    Figure("leave_1k", "Leave, of 1,000", "µs", (Aim(0.5),)),
    Figure("leave_10k", "Leave, of 10,000", "µs", (Aim(0.5),)),
    Figure("polling", "Delivery over long-polling, one a response", "µs", (Aim(0.8),)),
    Figure("post", "HTTP POST whose handler emits to one room", "µs", (Aim(1.3),)),
    Figure("idle_websocket", "Idle WebSocket, of 10,000", "bytes", (Aim(2500, None),)),
    Figure("idle_polling", "Idle polling client, of 1,000", "bytes", (Aim(10_000, None),)),
)

LATENCIES = {
    "fanout_1k": "Fan-out to 1,000 WebSockets, emit to arrival",
    "fanout_10k": "Fan-out to 10,000 WebSockets, emit to arrival",
    "targeted": "Emit to one room, emit to arrival",
    "echo": "Echo with ack, 1,000 under way",
    "connect": "Connect, 50 under way",
    "polling": "Long-polling, emit to arrival, 1,000 clients",
    "post": "HTTP POST, 32 under way",
}

# A delivery with recovery on against one with it off.
RECOVERY_LIMIT = 1.1

CROWD_BYTES = 500_000_000
