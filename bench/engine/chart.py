"""The results as a picture: what an operation costs against Node socket.io with ws."""

import math
from html import escape
from statistics import median

from bench.engine.children import PEERS
from bench.engine.figures import FIGURES
from bench.engine.report import Runs, ratios

_COLOURS = {
    "ours": "#0b7a3b",
    "ours_recovery": "#7cc08f",
    "node_ws": "#444444",
    "node_uws": "#2f6fb2",
    "stock": "#b5651d",
}
_WIDTH, _LEFT, _TOP, _ROW = 900, 350, 70, 34
_TICKS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)


def _x(ratio: float) -> float:
    low, high = math.log(_TICKS[0]), math.log(_TICKS[-1])
    place = (math.log(min(max(ratio, _TICKS[0]), _TICKS[-1])) - low) / (high - low)
    return _LEFT + place * (_WIDTH - _LEFT - 30)


def _legend() -> list[str]:
    parts, x = [], 20.0
    for peer, title in PEERS.items():
        parts.append(f'<circle cx="{x}" cy="46" r="5" fill="{_COLOURS[peer]}"/>')
        parts.append(f'<text x="{x + 10}" y="50">{escape(title)}</text>')
        x += 35 + 6.6 * len(title)
    parts.append(f'<path d="M{x} 38v16" stroke="#c00" stroke-width="2"/>')
    parts.append(f'<text x="{x + 8}" y="50">aim</text>')
    return parts


def svg(runs: Runs) -> str:
    """A row a figure, a dot a peer, on a logarithmic scale where Node (ws) is 1."""
    rows = [each for each in FIGURES if ratios(runs, "ours", each.key)]
    bottom = _TOP + _ROW * len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{bottom + 40}" '
        'font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        '<text x="20" y="24" font-size="16">Cost of an operation, Node socket.io (ws) = 1; '
        "left is better</text>",
        *_legend(),
    ]
    for tick in _TICKS:
        dark = "#444" if tick == 1 else "#ddd"
        parts.append(f'<path d="M{_x(tick):.1f} {_TOP}V{bottom}" stroke="{dark}"/>')
        parts.append(
            f'<text x="{_x(tick):.1f}" y="{bottom + 18}" text-anchor="middle">{tick:g} ×</text>'
        )
    for number, figure in enumerate(rows):
        y = _TOP + _ROW * (number + 0.5)
        parts.append(
            f'<text x="{_LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(figure.title)}</text>'
        )
        parts.append(f'<path d="M{_LEFT} {y}H{_WIDTH - 30}" stroke="#eee"/>')
        for aim in figure.aims:
            if aim.peer == "node_ws":
                parts.append(
                    f'<path d="M{_x(aim.limit):.1f} {y - 11}v22" stroke="#c00" stroke-width="2"/>'
                )
        for peer in reversed(PEERS):
            if found := ratios(runs, peer, figure.key):
                ratio = median(found)
                parts.append(
                    f'<circle cx="{_x(ratio):.1f}" cy="{y}" r="6" fill="{_COLOURS[peer]}">'
                    f"<title>{escape(PEERS[peer])}: {ratio:.2f} ×</title></circle>"
                )
    return "\n".join([*parts, "</svg>", ""])
