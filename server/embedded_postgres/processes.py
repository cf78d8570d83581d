"""What the package asks of the operating system: starting, recognising and ending processes."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from server.embedded_postgres.errors import EmbeddedPostgresError

_LAUNCHER = Path(__file__).with_name("launcher.py")
_PROC = Path("/proc")
# Everything else stays out: PG* variables would change what PostgreSQL does, and the server's
# own secrets have no business in the environment of another program.
_ENVIRONMENT = ("PATH", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


def launch(
    argv: list[str],
    *,
    own: Iterable[Path],
    rights: str,
    alive: int,
    stdin: int = subprocess.DEVNULL,
    stdout: int | IO[Any],
) -> subprocess.Popen[bytes]:
    """Start `argv` through the launcher; the child's pid is the program's own.

    `own` are the folders that its user must own, `alive` is the descriptor that all its
    processes inherit. Standard error goes where `stdout` goes.

    Raises: EmbeddedPostgresError outside the main thread: the kernel sends the parent-death
    signal when the thread that forked ends, so any other thread could take PostgreSQL with it.
    """
    if threading.current_thread() is not threading.main_thread():
        raise EmbeddedPostgresError("PostgreSQL must be started from the main thread.")
    plan = {
        "parent": os.getpid(),
        "rights": rights if os.geteuid() == 0 else "keep",
        "own": [str(folder) for folder in own],
        "argv": argv,
    }
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    return subprocess.Popen(
        # Without the site module the interpreter is up in a third of the time.
        [sys.executable, "-I", "-S", str(_LAUNCHER), json.dumps(plan)],
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        pass_fds=(alive,),
        cwd="/",
        # Its messages are read by us, in English.
        env={**environment, "LC_ALL": "C"},
        # A terminal's Ctrl-C must reach the server first, which then ends PostgreSQL in order.
        start_new_session=True,
    )


def is_postgres_of(pid: int, data: Path) -> bool:
    """Whether `pid` is a living PostgreSQL process at work in the folder `data`.

    A pid alone proves nothing: in a container the same small numbers come back at every start.
    """
    if not _PROC.joinpath("self").exists():
        answer = subprocess.run(
            ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True
        )
        return "postgres" in answer.stdout and str(data) in answer.stdout
    process = _PROC / str(pid)
    try:
        if process.joinpath("comm").read_text(errors="replace").strip() != "postgres":
            return False
        try:
            return process.joinpath("cwd").readlink() == data
        except PermissionError:
            # Root without CAP_SYS_PTRACE, as in a container, may not look at nobody's processes;
            # the command line is open to all and names the folder for a postmaster.
            return os.fsencode(data) in process.joinpath("cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        # Gone, or a zombie, which has no folder any more.
        return False


def processes_of(data: Path, postmaster: int | None = None) -> list[int]:
    """All PostgreSQL processes at work in `data`, and the children of a living `postmaster`.

    Every backend is in a session of its own, so a signal to a group does not reach them.
    """
    return [
        pid
        for pid, parent in _all_processes()
        if postmaster is not None and parent == postmaster or is_postgres_of(pid, data)
    ]


def _all_processes() -> list[tuple[int, int | None]]:
    """Pairs of pid and parent; no parent where the process went while we looked."""
    if not _PROC.joinpath("self").exists():
        listed = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True)
        pairs = [line.split() for line in listed.stdout.splitlines()]
        return [(int(pid), int(parent)) for pid, parent in pairs]
    return [(int(e.name), _parent(e)) for e in _PROC.iterdir() if e.name.isdigit()]


def _parent(process: Path) -> int | None:
    try:
        # The name in parentheses may itself hold spaces and parentheses.
        after_name = process.joinpath("stat").read_text(errors="replace").rpartition(")")[2]
        return int(after_name.split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal; a process that is gone already is no error."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
