"""The servers under measurement: the same small application on each engine."""

import sys

# python-socketio imports these where it finds them, 16 MB together. The tests bring them, the
# service does not: they are no part of what is measured.
for _name in ("redis", "valkey", "requests", "simple_websocket"):
    sys.modules[_name] = None  # type: ignore[assignment]
