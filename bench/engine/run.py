"""The runs in their order, with progress on standard error."""

import platform
import subprocess
import sys
import time
from pathlib import Path

from bench.engine import chart, crowd, report, scenarios
from bench.engine.children import (
    LOAD_CORE,
    PEERS,
    SERVER_CORE,
    PeerMissing,
    Server,
    compile_load,
    install_peers,
    on_core,
)
from bench.engine.scenarios import Figures as Found

_CHART = Path(__file__).parent.parent.parent / "docs" / "benchmarks.svg"
_RUNS = 3
_STAY_S = 60.0


def _node() -> str:
    try:
        return subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        return "none"


def _present(peers: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """The peers that run on this machine, and why the others do not."""
    present, problems = [], []
    try:
        install_peers()
    except PeerMissing as error:
        problems.append(str(error))
    for peer in peers:
        try:
            Server(peer).stop()
            present.append(peer)
        except PeerMissing as error:
            problems.append(str(error))
    return present, problems


def measure(*, quick: bool, peers: tuple[str, ...] = tuple(PEERS), clients: int = 100_000) -> str:
    """Measure all, write the picture unless quick, and return the Markdown.

    Raises: BenchError.
    """
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - started:4.0f} s  {text}", file=sys.stderr, flush=True)

    compile_load()
    present, problems = _present(peers)
    runs: dict[str, list[Found]] = {peer: [] for peer in present}
    crowded = None
    count = 1 if quick else _RUNS
    with on_core(LOAD_CORE):
        for number in range(count):
            found = scenarios.measure(
                present,
                scenarios.QUICK if quick else scenarios.FULL,
                lambda text: say(f"run {number + 1} of {count}: {text}"),
                first=number == 0,
            )
            for peer in present:
                runs[peer].append(found[peer])
        if not quick and clients and "ours" in runs:
            crowded = crowd.measure(
                "ours", clients, _STAY_S, lambda text: say(f"{clients:,} idle: {text}")
            )
    if not quick:
        _CHART.write_text(chart.svg(runs))
    lines = [
        "## The engine against its peers",
        "",
        f"{'One short run' if quick else f'Medians of {_RUNS} runs'}, "
        f"{time.monotonic() - started:.0f} s in all; Python {platform.python_version()}, Node "
        f"{_node()}. In a run all peers are up and take turns of a fraction of a second: the "
        f"servers on core {SERVER_CORE}, the load on core {LOAD_CORE}. µs are CPU time of the "
        "server's process, the kernel's part included. Ratios are taken run by run, with their "
        "range. Our engine runs with its bounds, once without recovery and once with it.",
        "",
        report.table(runs, crowded, problems),
    ]
    if not quick:
        lines[-1:-1] = ["![The figures as a picture](benchmarks.svg)", ""]
    return "\n".join(lines)
