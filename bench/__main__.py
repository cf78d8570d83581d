"""Measures the engine against its peers, and the club. Writes docs/benchmarks.md."""

import argparse
import re
import sys
from pathlib import Path

import uvloop

from bench import delivery, openings, people, returning
from bench.engine import run as engine
from bench.engine.children import PEERS, BenchError

_REPORT = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_PARTS = ("engine", "club", "delivery", "returning", "people")


def _write(part: str, text: str) -> None:
    """Put one part into the report; what was measured of the other stays."""
    found = re.findall(r"<!-- (\w+) -->\n(.*?)(?=<!-- |\Z)", _REPORT.read_text(), re.DOTALL)
    parts = dict(found) | {part: text + "\n"}
    _REPORT.write_text(
        "# Benchmarks\n\nMade by `make bench`; `python -m bench engine` (or `club`, `delivery`, "
        "`returning`, `people`) renews one part.\n\n"
        + "".join(f"<!-- {name} -->\n{parts[name]}" for name in _PARTS if name in parts).rstrip()
        + "\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("part", nargs="?", choices=_PARTS, help="one part only")
    parser.add_argument("--rounds", type=int, default=5, help="of the club and of delivery")
    parser.add_argument("--seconds", type=float, default=10.0, help="of a round")
    parser.add_argument(
        "--quick", action="store_true", help="engine: 1,000 sockets, one run, nothing written"
    )
    parser.add_argument("--peers", default=",".join(PEERS), help="engine: which, by comma")
    parser.add_argument("--clients", type=int, default=100_000, help="engine: idle WebSockets")
    arguments = parser.parse_args()
    if arguments.part in (None, "engine"):
        try:
            text = engine.measure(
                quick=arguments.quick,
                peers=tuple(arguments.peers.split(",")),
                clients=arguments.clients,
            )
        except BenchError as error:
            sys.exit(f"bench: {error}")
        if not arguments.quick:
            _write("engine", text)
        print(text)
    if arguments.quick:
        return
    spent = {"rounds": arguments.rounds, "seconds": arguments.seconds}
    for part, measured in (
        ("club", lambda: openings.measure(**spent)),
        ("delivery", lambda: delivery.measure(**spent)),
        ("returning", returning.measure),
        ("people", people.measure),
    ):
        if arguments.part in (None, part):
            try:
                text = uvloop.run(measured())
            except BenchError as error:
                sys.exit(f"bench: {error}")
            _write(part, text)
            print(text)


main()
