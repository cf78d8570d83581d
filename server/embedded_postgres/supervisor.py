"""The life of one embedded PostgreSQL: made, started, restarted when it dies, ended."""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

import structlog

from server.embedded_postgres.binaries import Binaries, find_binaries
from server.embedded_postgres.errors import EmbeddedPostgresError
from server.embedded_postgres.folder import OLD_SERVER_WAIT_S, PORT, Folder
from server.embedded_postgres.processes import launch, processes_of, send

log = structlog.get_logger(__name__)

ROLE = "cyberhub"
_DATABASE = "cyberhub"

_DEFAULTS = {
    "max_connections": "100",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A client is told of its own errors; in a file their statements would be bodies and secrets.
    "log_min_messages": "log",
    # Every five minutes a line that nobody asked for.
    "log_checkpoints": "off",
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

_POLL_S = 0.02
# How soon a death is noticed; a look costs one system call.
_WATCH_S = 0.2
# After a kill -9 of the old postmaster its memory is let go of by the last backend only.
_STILL_IN_USE = "pre-existing shared memory block"
# Immediate shutdown writes nothing; what takes longer than this is stuck.
_QUIT_S = 1.5
# Recovery replays at most max_wal_size (1 GB); a restart in the middle would begin anew.
_RESTART_TIMEOUT_S = 600
_BACKOFF_MAX_S = 30
# A server that lived this long did not die of the cause before.
_SETTLED_S = 60


class EmbeddedPostgres:
    """A PostgreSQL of our own under `root`, reached over a Unix socket.

    `pg_bin` names a folder of binaries instead of the wheel's. `durable=False` is for tests: a
    crash of the machine then loses or corrupts data. `settings` are added to PostgreSQL's, and
    `progress` is told, in sentences, what takes long.

    *Invariants.* `start`, `stop` and `supervise` are used from the main thread; PostgreSQL ends
    with the process that started it, also after a kill -9 (on macOS: at the next start).
    """

    def __init__(
        self,
        root: Path,
        *,
        pg_bin: str | None = None,
        durable: bool = True,
        settings: Mapping[str, str] = {},
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._folder = Folder(root)
        self._pg_bin = pg_bin
        self._durable = durable
        self._settings = dict(settings)
        self._progress = progress
        # How the launcher gives up root, where it is root: see its module.
        self._rights = "auto"
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """The postmaster's pid, or None while there is none."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    @property
    def log_path(self) -> Path:
        """The file that PostgreSQL's own messages go to."""
        return self._folder.log_path

    def dsn(self, database: str = _DATABASE) -> str:
        """The URL of a database, with the password. It stays the same over restarts.

        Raises: EmbeddedPostgresError if the server has not been started.
        """
        user = f"{quote(ROLE, safe='')}:{quote(self._folder.password(), safe='')}"
        query = urlencode({"host": str(self._folder.socket())}, safe="/")
        return f"postgresql://{user}@/{quote(database, safe='')}?{query}"

    def start(self, timeout_s: float = 60) -> None:
        """Start PostgreSQL and return when it takes connections; make the database if needed.

        Blocks, for at most about `timeout_s` seconds; to be called from the main thread.

        Raises: EmbeddedPostgresError, with the last lines of PostgreSQL's log where there are any.
        """
        try:
            self._folder.take()
            try:
                self._stopping = False
                for pause_s in self._bring_up(timeout_s, may_create=True):
                    time.sleep(pause_s)
            except BaseException:
                # Also a Ctrl-C: nothing may stay behind.
                self.stop(timeout_s=1)
                raise
        except OSError as error:
            raise EmbeddedPostgresError(
                f"The database in {self._folder.root} cannot be started: {error}."
            ) from error

    def stop(self, timeout_s: float = 4) -> None:
        """End PostgreSQL and all its processes. Idempotent.

        Blocks for at most `timeout_s` seconds of orderly shutdown, then about two for a forced one.
        """
        self._stopping = True
        self._end(timeout_s)
        self._folder.release()

    async def supervise(self) -> None:
        """Restart PostgreSQL whenever it dies, until `stop` or a cancellation.

        To be awaited in the main thread's loop; the loop is not blocked while a restart waits.

        Raises: EmbeddedPostgresError if the server has not been started.
        """
        if self._process is None:
            raise EmbeddedPostgresError("The database has not been started.")
        failures = 0
        since = time.monotonic()
        while True:
            while self.pid is not None:
                await asyncio.sleep(_WATCH_S)
            if self._stopping:
                return
            if time.monotonic() - since > _SETTLED_S:
                failures = 0
            # The first restart is at once; then 1 s, 2 s, 4 s …
            wait_s = min(2 ** (failures - 1), _BACKOFF_MAX_S) if failures else 0
            status = None if self._process is None else self._process.returncode
            log.error("postgres is down", status=status, restart_in_s=wait_s)
            await asyncio.sleep(wait_s)
            if self._stopping:
                return
            failures += 1
            since = time.monotonic()
            try:
                for pause_s in self._bring_up(_RESTART_TIMEOUT_S, may_create=False):
                    await asyncio.sleep(pause_s)
                    if self._stopping:
                        return
            except (EmbeddedPostgresError, OSError) as error:
                log.error("postgres could not be restarted", reason=str(error))
                self._end(timeout_s=0)

    def _bring_up(self, timeout_s: float, *, may_create: bool) -> Generator[float, None, None]:
        """Start and wait until ready; yields the seconds to sleep, in whichever way the caller can.

        Without `may_create` a missing data folder is an error: it was there before, and an empty
        database in its place would be worse than none.
        """
        began = time.monotonic()
        binaries = find_binaries(self._pg_bin)
        while True:
            alive = yield from self._folder.wait_until_left()
            try:
                if may_create and not self._folder.data.exists():
                    self._create(binaries, alive, timeout_s)
                self._folder.check_version(binaries.major)
                said_from = self._launch(binaries, alive)
            finally:
                # From here on only PostgreSQL's own processes hold it.
                os.close(alive)
            assert self._process is not None
            while self._process.poll() is None:
                if self._folder.is_ready(self._process.pid):
                    took_s = round(time.monotonic() - began, 2)
                    log.info("postgres ready", pid=self._process.pid, seconds=took_s)
                    return
                if time.monotonic() - began > timeout_s:
                    raise EmbeddedPostgresError(
                        f"PostgreSQL was not ready within {timeout_s:g} s. Its last words, "
                        f"from {self.log_path}:\n{self._folder.log_tail(said_from)}"
                    )
                yield _POLL_S
            said = self._folder.log_tail(said_from)
            in_time = time.monotonic() - began < min(OLD_SERVER_WAIT_S, timeout_s)
            if _STILL_IN_USE not in said or not in_time:
                raise EmbeddedPostgresError(
                    f"PostgreSQL did not start (status {self._process.returncode}). Its last "
                    f"words, from {self.log_path}:\n{said}"
                )
            yield 10 * _POLL_S

    def _launch(self, binaries: Binaries, alive: int) -> int:
        """Start the postmaster; returns where in the log its words begin."""
        folder = self._folder
        socket = folder.make_socket()
        folder.remove_stale(socket)
        settings = {
            **_DEFAULTS,
            **({} if self._durable else _NOT_DURABLE),
            **self._settings,
            # Not for the caller to change: who finds us, and that nobody else does.
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": str(socket),
        }
        argv = [binaries.postgres, "-D", str(folder.data)]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        output = folder.open_log()
        try:
            said_from = os.fstat(output).st_size
            self._process = launch(
                argv, own=[folder.data, socket], rights=self._rights, alive=alive, stdout=output
            )
        finally:
            os.close(output)
        return said_from

    def _create(self, binaries: Binaries, alive: int, timeout_s: float) -> None:
        """Make the data folder, with role and database, beside its place; then move it there.

        A kill in the middle leaves a folder that the next start throws away.
        """
        self._progress("Preparing the database for the first time …")
        folder = self._folder
        shutil.rmtree(folder.new, ignore_errors=True)
        folder.new.mkdir(mode=0o700)
        data, password = folder.new / "data", folder.new / "password"
        try:
            # A copy, since whoever runs initdb must be able to read it.
            password.touch(mode=0o600)
            password.write_text(folder.make_password())
            # macOS has no C.UTF-8 in all its versions.
            locale = ["--locale=C.UTF-8"]
            if os.uname().sysname == "Darwin":
                locale = ["--locale=C", "--lc-ctype=en_US.UTF-8"]
            initdb = [binaries.initdb, "-D", str(data)]
            self._run(
                [*initdb, "-E", "UTF8", *locale, "--auth=scram-sha-256", f"--username={ROLE}"]
                + [f"--pwfile={password}", "--no-sync", "--no-instructions"],
                alive,
                timeout_s,
            )
            self._run(
                [binaries.postgres, "--single", "-D", str(data), "-c", "exit_on_error=on"]
                + ["-c", "fsync=off", "postgres"],
                alive,
                timeout_s,
                f"CREATE DATABASE {_DATABASE}\n",
            )
            if self._durable:
                # All of it at once, which is much faster than each step for itself.
                self._run([*initdb, "--sync-only"], alive, timeout_s)
            folder.adopt()
        finally:
            shutil.rmtree(folder.new, ignore_errors=True)

    def _run(self, argv: list[str], alive: int, timeout_s: float, text: str = "") -> None:
        # Through a pipe, not into the log: on a full disk the log would stay empty.
        process = launch(
            argv,
            own=[self._folder.new],
            rights=self._rights,
            alive=alive,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with process:
            try:
                output, _ = process.communicate(text.encode(), timeout=timeout_s)
            except subprocess.TimeoutExpired:
                raise EmbeddedPostgresError(f"{argv[0]} took more than {timeout_s:g} s.") from None
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
        if process.returncode != 0:
            raise EmbeddedPostgresError(
                f"The database in {self._folder.root} could not be made ({argv[0]}, status "
                f"{process.returncode}):\n{self._folder.excerpt(output)}"
            )

    def _end(self, timeout_s: float) -> None:
        process = self._process
        if process is None:
            return
        for number, patience_s in ((signal.SIGINT, timeout_s), (signal.SIGQUIT, _QUIT_S)):
            if process.poll() is None:
                process.send_signal(number)
                try:
                    process.wait(patience_s)
                except subprocess.TimeoutExpired:
                    log.warning("postgres does not stop", signal=number.name, waited_s=patience_s)
        if process.poll() is None:
            # Listed first: without their parent they are harder to find.
            rest = processes_of(self._folder.data, process.pid)
            os.killpg(process.pid, signal.SIGKILL)
            for pid in rest:
                send(pid, signal.SIGKILL)
            process.wait()
        self._folder.kill_the_rest()
        self._process = None
