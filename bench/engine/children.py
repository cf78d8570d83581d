"""The processes of the bench: each takes lines and answers each with a line of JSON."""

import contextlib
import ctypes
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent
_PEERS = _HERE / "peers"
_LOAD_SOURCE = _HERE / "load.c"
_LOAD = _ROOT / "build" / "bench" / "load"
# Servers have the first core for themselves; all else shares the last.
_ALLOWED = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = _ALLOWED[0], _ALLOWED[-1]
_libc = ctypes.CDLL(None, use_errno=True)

PEERS = {
    "ours": "ours",
    "ours_recovery": "ours, recovery on",
    "node_ws": "Node socket.io (ws)",
    "node_uws": "Node socket.io (uWebSockets.js)",
    "stock": "python-socketio + aiohttp + uvloop",
}


class BenchError(Exception):
    """Something the reader can put right, or a process that does not do its part."""


class PeerMissing(BenchError):
    """The peer cannot run on this machine."""


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """Stay on one core; children inherit it from their first instruction on, with all threads."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class _Child:
    """A process with a side channel. It ends with its standard input."""

    def __init__(self, command: list[str], core: int, environ: dict[str, str]) -> None:
        self._name = Path(command[-1]).name if len(command) > 1 else command[0]
        with on_core(core):
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=_ROOT,
                env=os.environ | environ,
            )
        self._unread = b""

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, line: str) -> None:
        """Send one command."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def hear(self, timeout_s: float) -> dict[str, Any]:
        """The answer to the oldest command. Raises BenchError when none comes in time."""
        assert self._process.stdout is not None
        out = self._process.stdout.fileno()
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._unread:
            ready, _, _ = select.select([out], [], [], max(0, deadline - time.monotonic()))
            part = os.read(out, 65536) if ready else None
            if part is None:
                raise BenchError(f"{self._name} did not answer within {timeout_s:g} s")
            if not part:
                raise BenchError(f"{self._name} ended with {self._process.wait(10)}")
            self._unread += part
        line, _, self._unread = self._unread.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, line: str, timeout_s: float = 60) -> dict[str, Any]:
        """Send one command and wait for its answer."""
        self.tell(line)
        return self.hear(timeout_s)

    def stop(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            # Nothing of a peer's farewell is measured: some take a minute for it.
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._process.stdout.close()


class Server(_Child):
    """A server under measurement, alone on its core."""

    def __init__(self, peer: str) -> None:
        super().__init__(_command(peer), SERVER_CORE, _ENVIRON.get(peer, {}))
        clock = ctypes.c_int()
        if _libc.clock_getcpuclockid(self.pid, ctypes.byref(clock)):
            raise BenchError("the server's CPU clock cannot be read")
        self._clock = clock.value
        try:
            self.port = int(self.hear(20)["port"])
        except BenchError as error:
            code = self._process.poll()
            self.stop()
            if code == _CANNOT_RUN_HERE:
                raise PeerMissing(f"{PEERS[peer]} does not run on this machine") from None
            raise BenchError(f"{PEERS[peer]}: {error}") from None

    def cpu_s(self) -> float:
        """CPU seconds of all threads since the start, the kernel's part with them."""
        return time.clock_gettime(self._clock)

    def rss_bytes(self) -> int:
        """Resident memory after a garbage collection."""
        self.ask("collect")
        return self._memory("Rss")

    def pss_bytes(self) -> int:
        """Resident memory, a page that several processes share being shared out among them."""
        return self._memory("Pss")

    def _memory(self, name: str) -> int:
        rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return int(rollup.partition(f"\n{name}:")[2].split()[0]) * 1024


_CANNOT_RUN_HERE = 3
# The native helpers of ws come along with uWebSockets.js; nobody who installs socket.io has them.
_ENVIRON = {"node_ws": {"WS_NO_BUFFER_UTIL": "1", "WS_NO_UTF_8_VALIDATE": "1"}}


def _command(peer: str) -> list[str]:
    if not peer.startswith("node_"):
        return [sys.executable, "-m", f"bench.engine.peers.{peer}"]
    node = shutil.which("node")
    if node is None:
        raise PeerMissing("Node is not installed")
    return [node, "--expose-gc", str(_PEERS / f"{peer}.mjs")]


def install_peers() -> None:
    """Let npm bring Node's side, as the lock file says."""
    installed = _PEERS / "node_modules" / ".package-lock.json"
    lock = _PEERS / "package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    npm = shutil.which("npm")
    if npm is None:
        raise PeerMissing("npm is not installed")
    subprocess.run([npm, "ci", "--no-progress"], cwd=_PEERS, check=True, stdout=sys.stderr)


class Serving(Protocol):
    """A server on 127.0.0.1."""

    port: int


class Load(_Child):
    """Clients for one server, in one process on the other core."""

    def __init__(self, server: Serving, source: str, per_address: int) -> None:
        command = [str(_LOAD), str(server.port), source, str(per_address)]
        super().__init__(command, LOAD_CORE, {})
        self._name = "the load generator"

    def ask(self, line: str, timeout_s: float = 60) -> dict[str, Any]:
        answer = super().ask(line, timeout_s)
        check(answer)
        return answer


def check(answer: dict[str, Any]) -> None:
    """Raise BenchError when the server dropped or refused a client."""
    if answer["lost"] or answer["refused"]:
        raise BenchError(
            f"{answer['lost']} clients lost, {answer['refused']} refused: {answer['failure']}"
        )


def compile_load() -> None:
    """Compile the load generator if it is not there yet, or older than its source.

    Raises: BenchError, naming what to install.
    """
    if _LOAD.exists() and _LOAD.stat().st_mtime >= _LOAD_SOURCE.stat().st_mtime:
        return
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        raise BenchError(
            "The load generator is a small C program and this machine has no C compiler. "
            "On Debian: apt-get install gcc libc6-dev"
        )
    _LOAD.parent.mkdir(parents=True, exist_ok=True)
    command = [compiler, "-std=c11", "-O2", "-Wall", "-Wextra", "-o", str(_LOAD)]
    if subprocess.run([*command, str(_LOAD_SOURCE)]).returncode:
        raise BenchError(
            f"{_LOAD_SOURCE.name} did not compile. It needs Linux and the C library's headers; "
            "on Debian: apt-get install gcc libc6-dev"
        )
