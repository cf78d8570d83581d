"""`python -m cyberhub_client watch`: what happens in a club, a line an event."""

import sys
from collections.abc import Sequence

from cyberhub_client import watch


def main(arguments: Sequence[str] | None = None) -> int:
    """The command's exit code."""
    return watch.run(watch.parser().parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
