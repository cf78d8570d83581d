"""Ids of sessions and clients."""

import re
import subprocess
import sys

from server.engine.ids import new_id


def test_ids_are_different_and_need_no_escape_in_an_address() -> None:
    ids = {new_id() for _ in range(10_000)}

    assert len(ids) == 10_000
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{20}", each) for each in ids)


def test_a_forked_process_makes_others() -> None:
    program = """
import os
from server.engine.ids import new_id
new_id()
child = os.fork()
os.write(1, b"".join(new_id().encode() + b" " for _ in range(100)))
if child:
    os.wait()
else:
    os._exit(0)
"""
    command = [sys.executable, "-c", program]
    said = subprocess.run(command, capture_output=True, text=True, check=True)

    assert len(set(said.stdout.split())) == 200
