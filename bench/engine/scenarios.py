"""The measurements: all peers up at once, and measured in turn, a slice of time each.

The slices are short, so that whatever else slows the machine slows all of them alike.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.engine.children import BenchError, Load, Server, check

# From one address: far below the engine's bounds per address, as members of one house are.
_PER_ADDRESS = 100
_PARALLEL = 50
_POST_CONNECTIONS = 32
_ROOMS = 1000
_WARM_S = 0.4

Say = Callable[[str], None]


@dataclass
class Figures:
    """What one run found for one peer, by the figure's key."""

    values: dict[str, float] = field(default_factory=dict)
    p50_us: dict[str, float] = field(default_factory=dict)
    p99_us: dict[str, float] = field(default_factory=dict)
    load_us: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """How long to measure."""

    slice_s: float
    slices: int
    clients: int


FULL = Plan(slice_s=0.3, slices=3, clients=10_000)
QUICK = Plan(slice_s=0.2, slices=2, clients=1000)


class _Slices:
    """The sums of one figure of one peer."""

    def __init__(self) -> None:
        self.server_s = self.load_s = 0.0
        self.count = 0
        self.p50_us: list[float] = []
        self.p99_us: list[float] = []


class _Contestant:
    """One peer: its server, its load, and what was found so far."""

    def __init__(self, peer: str, found: Figures) -> None:
        self.peer, self.found = peer, found
        self.server = Server(peer)
        self.load = Load(self.server, "127.1.0.1", _PER_ADDRESS)
        self._received = 0
        self._idle_bytes = 0

    def close(self) -> None:
        self.load.stop()
        self.server.stop()

    # What is done to it.

    def open(self, count: int) -> None:
        self.load.ask(f"open {count} {_PARALLEL}")

    def poll(self, count: int) -> None:
        self.load.ask(f"poll {count} {_PARALLEL}")

    def leave(self) -> None:
        """Close all WebSockets, and wait until the last disconnect handler has run."""
        self.load.ask("close")
        deadline = time.monotonic() + 60
        while self.server.ask("clients")["clients"]:
            if time.monotonic() > deadline:
                raise BenchError(f"{self.peer}: clients that left are counted after a minute")
            time.sleep(0.01)

    def emit(self, command: str, events: int) -> None:
        """Let the server emit, and wait until all has come: the next finds every socket idle."""
        self._received += events
        # First, since a load that has nothing to do waits to be woken.
        self.load.tell(f"until {self._received}")
        self.server.ask(command)
        check(self.load.hear(60))

    def fan_out(self, clients: int) -> None:
        self.emit("fanout 1", clients)

    def target(self) -> None:
        self.emit("targeted 1000", 1000)

    def echo(self) -> None:
        self.load.ask("echo 2000 1")

    def post(self) -> None:
        self._received += 500
        self.load.ask(f"post 500 {_POST_CONNECTIONS} {_ROOMS}")
        self.load.ask(f"until {self._received}")

    # What is read from it.

    def slice(self, step: Callable[[], None], per_step: int, seconds: float, to: _Slices) -> None:
        """As many steps as fit into the time."""
        load_s = self.load.ask("reset")["cpu"]
        server_s = self.server.cpu_s()
        deadline = time.monotonic() + seconds
        while True:
            step()
            to.count += per_step
            if time.monotonic() >= deadline:
                break
        to.server_s += self.server.cpu_s() - server_s
        status = self.load.ask("status")
        to.load_s += status["cpu"] - load_s
        to.p50_us.append(status["p50_us"])
        to.p99_us.append(status["p99_us"])

    def note(self, key: str, slices: _Slices) -> None:
        self.found.values[key] = slices.server_s / slices.count * 1e6
        self.found.load_us[key] = slices.load_s / slices.count * 1e6
        self.found.p50_us[key] = median(slices.p50_us)
        self.found.p99_us[key] = median(slices.p99_us)

    def weigh(self, key: str, count: int, connect: Callable[[], None]) -> None:
        """Resident memory that each of the clients takes once all are idle."""
        before = self.server.rss_bytes()
        connect()
        time.sleep(0.3)
        self.found.values[key] = (self.server.rss_bytes() - before) / count


def _in_turn(
    contestants: Sequence[_Contestant],
    key: str,
    per_step: int,
    step: Callable[[_Contestant], None],
    plan: Plan,
) -> None:
    """One figure of all peers, warmed up first."""
    for each in contestants:
        each.slice(lambda: step(each), per_step, _WARM_S, _Slices())
    sums = {each: _Slices() for each in contestants}
    for _ in range(plan.slices):
        for each in contestants:
            each.slice(lambda: step(each), per_step, plan.slice_s, sums[each])
    for each, slices in sums.items():
        each.note(key, slices)


@contextlib.contextmanager
def _up(found: dict[str, Figures]) -> Iterator[list[_Contestant]]:
    """Fresh servers. Raises BenchError, and PeerMissing for one that cannot run here."""
    with contextlib.ExitStack() as stack:
        contestants = []
        for peer, figures in found.items():
            contestants.append(_Contestant(peer, figures))
            stack.callback(contestants[-1].close)
        yield contestants


def _coming_and_going(contestants: Sequence[_Contestant], plan: Plan) -> None:
    for each in contestants:
        # Until it is compiled, cached and grown.
        for _ in range(3):
            each.open(1000)
            each.leave()
    connects = {each: _Slices() for each in contestants}
    leaves = {each: _Slices() for each in contestants}
    for _ in range(plan.slices):
        for each in contestants:
            each.slice(lambda: each.open(1000), 1000, 0, connects[each])
            each.slice(each.leave, 1000, 0, leaves[each])
    for each in contestants:
        each.note("connect", connects[each])
        each.note("leave_1k", leaves[each])


def _websockets(contestants: Sequence[_Contestant], plan: Plan) -> None:
    """Everything that 1,000 WebSockets show."""
    _coming_and_going(contestants, plan)
    for each in contestants:
        each.open(1000)
    _in_turn(contestants, "fanout_1k", 1000, lambda each: each.fan_out(1000), plan)
    _in_turn(contestants, "targeted", 1000, _Contestant.target, plan)
    _in_turn(contestants, "echo", 2000, _Contestant.echo, plan)
    _in_turn(contestants, "post", 500, _Contestant.post, plan)


def _many_websockets(contestants: Sequence[_Contestant], plan: Plan) -> None:
    """What an idle WebSocket takes, and a fan-out whose sockets no cache holds."""
    clients = plan.clients
    for each in contestants:
        each.open(100)
        each.leave()
        each.weigh("idle_websocket", clients, lambda: each.open(clients))
    _in_turn(contestants, "fanout_10k", clients, lambda each: each.fan_out(clients), plan)
    for each in contestants:
        # Stock's leaving is quadratic: a minute of it would show what 1,000 show.
        if each.peer != "stock":
            slices = _Slices()
            each.slice(each.leave, clients, 0, slices)
            each.note("leave_10k", slices)


def _polling(contestants: Sequence[_Contestant], plan: Plan) -> None:
    """1,000 clients whose GET is parked."""
    for each in contestants:
        each.open(100)
        each.leave()
        each.weigh("idle_polling", 1000, lambda: each.poll(1000))
    _in_turn(contestants, "polling", 1000, lambda each: each.fan_out(1000), plan)


def measure(peers: Sequence[str], plan: Plan, say: Say, *, first: bool) -> dict[str, Figures]:
    """All figures of all peers, once. Raises BenchError."""
    found = {peer: Figures() for peer in peers}
    for title, scenario in (
        ("1,000 WebSockets", _websockets),
        ("1,000 polling clients", _polling),
        (f"{plan.clients:,} WebSockets", _many_websockets),
    ):
        taking_part = found
        if scenario is _many_websockets:
            if plan is QUICK:
                continue
            if not first:
                # Stock takes longer for these than all others together: once is enough.
                taking_part = {peer: each for peer, each in found.items() if peer != "stock"}
        say(title)
        with _up(taking_part) as contestants:
            scenario(contestants, plan)
    return found
