"""The results as Markdown."""

from collections.abc import Mapping, Sequence
from statistics import median

from bench.engine.children import PEERS
from bench.engine.crowd import Crowd
from bench.engine.figures import CROWD_BYTES, FIGURES, LATENCIES, RECOVERY_LIMIT, Aim, Figure
from bench.engine.scenarios import Figures as Found

_SHORT = {
    "ours": "ours",
    "ours_recovery": "ours, recovery on",
    "node_ws": "Node, ws",
    "node_uws": "Node, uWS",
    "stock": "python-socketio",
}

_DELIVERIES = ("fanout_1k", "fanout_10k", "targeted", "polling")
_WITH_RECOVERY = (*_DELIVERIES, "connect", "idle_websocket")

Runs = Mapping[str, Sequence[Found]]


def value(runs: Runs, peer: str, key: str) -> float | None:
    """The median of a figure over the runs of a peer."""
    found = [run.values[key] for run in runs.get(peer, ()) if key in run.values]
    return median(found) if found else None


def ratios(runs: Runs, peer: str, key: str, to: str = "node_ws") -> list[float]:
    """The figure against another peer's, run by run: what slows a run slows both."""
    return [
        mine.values[key] / theirs.values[key]
        for mine, theirs in zip(runs.get(peer, ()), runs.get(to, ()))
        if key in mine.values and key in theirs.values
    ]


def _number(figure: float | None) -> str:
    if figure is None:
        return "–"
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.1f}"


def _verdict(runs: Runs, figure: Figure, aim: Aim) -> tuple[str, str]:
    """What is aimed at, and whether it was met."""
    if aim.peer is None:
        mine, text, unit = value(runs, "ours", figure.key), f"≤ {aim.limit:,.0f}", ""
    else:
        found = ratios(runs, "ours", figure.key, aim.peer)
        mine = median(found) if found else None
        text, unit = f"≤ {aim.limit:g} × {_SHORT[aim.peer]}", " ×"
    if mine is None:
        return text, "not measured"
    return text, "yes" if mine <= aim.limit else f"no ({mine:,.2f}{unit})"


def _row(runs: Runs, figure: Figure) -> str:
    found = ratios(runs, "ours", figure.key)
    against = "–"
    if found:
        against = f"{median(found):.2f}"
        if len(found) > 1:
            against += f" ({min(found):.2f}–{max(found):.2f})"
    verdicts = [_verdict(runs, figure, aim) for aim in figure.aims]
    cells = [
        figure.title,
        figure.unit,
        *(_number(value(runs, peer, figure.key)) for peer in PEERS),
        against,
        "; ".join(text for text, _ in verdicts),
        "; ".join(met for _, met in verdicts),
    ]
    return f"| {' | '.join(cells)} |"


def _latency(runs: Runs, peer: str, key: str) -> str:
    """p50 and p99 against Node's, run by run."""
    pairs = [
        (mine, theirs)
        for mine, theirs in zip(runs.get(peer, ()), runs.get("node_ws", ()))
        if key in mine.p50_us and key in theirs.p50_us
    ]
    if not pairs:
        return "–"
    p50 = median(mine.p50_us[key] / theirs.p50_us[key] for mine, theirs in pairs)
    p99 = median(mine.p99_us[key] / theirs.p99_us[key] for mine, theirs in pairs)
    return f"{p50:.2f} / {p99:.2f}"


def _latencies(runs: Runs) -> list[str]:
    others = [peer for peer in PEERS if peer != "node_ws"]
    lines = [
        f"| p50 / p99, Node (ws) = 1 | {' | '.join(_SHORT[peer] for peer in others)} |",
        "|---" * (len(others) + 1) + "|",
    ]
    for key, title in LATENCIES.items():
        cells = [_latency(runs, peer, key) for peer in others]
        if set(cells) != {"–"}:
            lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


def _crowd(crowd: Crowd) -> str:
    stayed = crowd.lost == 0 and crowd.clients >= 100_000
    met = "yes" if stayed and crowd.rss_bytes <= CROWD_BYTES else "no"
    return (
        f"{crowd.clients:,} idle WebSockets over {crowd.processes} processes, pings on: connected "
        f"in {crowd.connect_s:.0f} s, stayed for {crowd.stayed_s:.0f} s, {crowd.pings:,} pings "
        f"answered, {crowd.lost} lost, **{crowd.rss_bytes / 1e6:.0f} MB** resident in all "
        f"({crowd.pss_bytes / 1e6:.0f} MB where pages that the processes share count once), "
        f"{crowd.cpu_s / crowd.stayed_s * 100:.0f} % of one core. "
        f"Aim: none lost, ≤ {CROWD_BYTES / 1e6:.0f} MB: {met}."
    )


def _recovery(runs: Runs) -> str:
    """What it costs that every event carries its place in the log."""
    figures = []
    for figure in FIGURES:
        found = ratios(runs, "ours_recovery", figure.key, "ours")
        if found and figure.key in _WITH_RECOVERY:
            text = f"{figure.title}: {median(found):.2f} ×"
            if figure.key in _DELIVERIES:
                met = "yes" if median(found) <= RECOVERY_LIMIT else "no"
                text += f" (aim ≤ {RECOVERY_LIMIT:g}: {met})"
            figures.append(text)
    return f"Recovery on against off: {'; '.join(figures)}."


def _load(runs: Runs) -> str:
    spent = {
        key: [run.load_us[key] for each in runs.values() for run in each if key in run.load_us]
        for key in LATENCIES
    }
    figures = ", ".join(f"{key} {median(us):.1f}" for key, us in spent.items() if us)
    return f"The load generator's own CPU, on its own core, µs an operation: {figures}."


def table(runs: Runs, crowd: Crowd | None, missing: Sequence[str]) -> str:
    """All tables, without a heading."""
    lines = [
        f"| figure | unit | {' | '.join(_SHORT[peer] for peer in PEERS)} "
        "| ours ÷ Node (ws) | aim | met |",
        "|---" * (len(PEERS) + 5) + "|",
        *(_row(runs, figure) for figure in FIGURES if value(runs, "ours", figure.key) is not None
          or value(runs, "node_ws", figure.key) is not None),
        "",
        *_latencies(runs),
    ]
    lines += ["", *(f"{text}: left out." for text in missing)] if missing else []
    lines += ["", _recovery(runs)] if runs.get("ours_recovery") else []
    lines += ["", _crowd(crowd)] if crowd else []
    lines += ["", _load(runs)]
    return "\n".join(lines) + "\n"
