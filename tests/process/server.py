"""The server as its operator sees it: a process with an address, an output and an end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from server.embedded_postgres.processes import processes_of

REPOSITORY = Path(__file__).parents[2]
# The first start makes a database, on a machine that may be busy.
PATIENCE_S = 60.0
# What the issue promises for every stop.
STOP_S = 5.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def environment(
    var_dir: Path, *, code: Path = REPOSITORY, **settings: object
) -> dict[str, str]:
    """Nothing of the tester's own settings, and this code."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    given = {name.upper(): str(value) for name, value in settings.items()}
    return kept | {"PYTHONPATH": str(code), "VAR_DIR": str(var_dir)} | given


def command(
    *arguments: str, var_dir: Path, said: str = "", **settings: object
) -> "subprocess.CompletedProcess[str]":
    """Run a command of `cyberhub` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        cwd=REPOSITORY,
        env=environment(var_dir, **settings),
        input=said,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


class Server:
    """`cyberhub demo` (or another command that serves) in a process of its own."""

    def __init__(
        self,
        var_dir: Path,
        *arguments: str,
        port: int | None = None,
        code: Path = REPOSITORY,
        **settings: object,
    ) -> None:
        self.var_dir = var_dir
        self._code = code
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._arguments = arguments or ("demo",)
        self._settings = settings
        self.output = ""
        self.log = ""

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()

    def start(self) -> None:
        """Start and return at once."""
        self.var_dir.mkdir(parents=True, exist_ok=True)
        # Files, not pipes: nobody has to read for the server to go on.
        self._files = [self.var_dir.with_name(f"{self.var_dir.name}.{n}") for n in ("out", "err")]
        out, err = [path.open("w") for path in self._files]
        with out, err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "server", *self._arguments],
                cwd=self._code,
                env=environment(
                    self.var_dir, code=self._code, port=self.port, **self._settings
                ),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def read(self) -> None:
        """What it has said so far: `output` for people, `log` for operators."""
        self.output, self.log = [path.read_text() for path in self._files]

    def log_lines(self) -> list[dict[str, Any]]:
        self.read()
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    def until(self, what: Callable[[], Any], why: str) -> Any:
        """Wait for something that this server brings about; its value then."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if value := what():
                return value
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        self.read()
        raise AssertionError(f"never happened: {why}\n{self.output}\n{self.log[-5000:]}")

    def ready(self) -> "Server":
        self.until(lambda: self.status("/ready") == 200, "the server is ready")
        return self

    def status(self, path: str) -> int:
        """The status of a GET; 0 while nobody listens."""
        try:
            return self.ask("GET", path)[0]
        except OSError:
            return 0

    def ask(
        self, method: str, path: str, body: Any = None, token: str | None = None
    ) -> tuple[int, Any]:
        """One request: its status and its JSON."""
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)

    def accounts(self) -> Any:
        return json.loads((self.var_dir / "demo-accounts.json").read_text())

    def sign_in(self, who: str) -> tuple[int, str]:
        """The id and a token of a demo account."""
        status, answer = self.ask("POST", "/api/auth/login", self.accounts()[who])
        assert status == 200, answer
        return answer["user"]["id"], answer["token"]

    def database_processes(self) -> list[int]:
        return list(processes_of((self.var_dir / "postgres" / "data").resolve()))

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Ask it to stop; the seconds that it took. It has to say that all is well."""
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        took_s = time.monotonic() - began
        self.read()
        assert code == 0, self.log[-5000:]
        return took_s

    def kill(self) -> None:
        """As the kernel does when memory runs out."""
        self.process.kill()
        self.process.wait()
        self.read()
