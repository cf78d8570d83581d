"""What lies on the disk: the data, the password, the log, the socket, and the locks on them.

    root/           lock       held by the server that owns the folder
                    alive      held by every PostgreSQL process at work in it
                    password   of the role, mode 600
                    data/      PostgreSQL's own, mode 700
                    new/       a data folder in the making, renamed when complete
                    socket     a folder, or a link to a private one with a shorter name
                    postgres.log

*Invariants.* Both locks are the kernel's (flock), so a kill -9 drops them and there is nothing to
clean up. `lock` is not inherited: it ends with the server. `alive` is inherited by PostgreSQL and
its backends and not kept by the server: it is free exactly when the last of them has gone.
"""

import fcntl
import hashlib
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Collection, Generator
from pathlib import Path
from signal import SIGINT, SIGKILL

import structlog

from server.embedded_postgres.errors import EmbeddedPostgresError, FolderInUse
from server.embedded_postgres.processes import is_postgres_of, processes_of, send

log = structlog.get_logger(__name__)

PORT = 5432
_SOCKET_NAME = f".s.PGSQL.{PORT}"
# The kernel's limit is 104 bytes on macOS and 108 on Linux, with the closing zero.
_SOCKET_PATH_LIMIT = 100
# In a connection URL asyncpg splits a host at commas and SQLAlchemy at colons.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./+-]+")
_LOG_LIMIT = 4 * 1024 * 1024
_TAIL_LINES = 15
# A postmaster kills backends that do not leave after five seconds; twice that is patience enough.
OLD_SERVER_WAIT_S = 10.0
# Backends notice the end of their postmaster at their next wait; a busy one may not for hours.
_ORPHAN_GRACE_S = 1.0
# The kernel needs a moment to take a killed process's memory apart, not more.
_KILL_WAIT_S = 2.0
_POLL_S = 0.05
_LOW_DISK_MB = 64


class Folder:
    """The root folder of one embedded PostgreSQL."""

    def __init__(self, root: Path) -> None:
        # Resolved, because the kernel shows a process's folder without symbolic links.
        self.root = root.resolve()
        self.data = self.root / "data"
        self.new = self.root / "new"
        self.log_path = self.root / "postgres.log"
        self._password = self.root / "password"
        self._socket = self.root / "socket"
        self._lock: int | None = None

    def take(self) -> None:
        """Make the folder if needed and become its only owner.

        Raises: EmbeddedPostgresError at once if another server has it.
        """
        if self._lock is not None:
            raise EmbeddedPostgresError(f"The database in {self.root} has been started already.")
        if not self.root.is_dir():
            self.root.mkdir(parents=True)
            # Where root has to become nobody, nobody must get through to data/; to list or read
            # what is here takes more than that.
            self.root.chmod(0o711 if os.geteuid() == 0 else 0o700)
        lock = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(lock, 20).decode(errors="replace").strip()
            os.close(lock)
            if not isinstance(error, BlockingIOError):
                raise EmbeddedPostgresError(f"{self.root} cannot be locked: {error}.") from error
            raise FolderInUse(
                f"The database folder {self.root} is in use by another server (process "
                f"{owner or 'unknown'}). Stop that one, or choose another folder."
            ) from None
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        self._lock = lock

    def release(self) -> None:
        """Give the folder up, and the private socket folder with it. Idempotent."""
        if self._lock is None:
            return
        if self._socket.is_symlink():
            shutil.rmtree(self._socket.resolve(), ignore_errors=True)
            self._socket.unlink()
        os.close(self._lock)
        self._lock = None

    # What runs in it

    def try_alive(self) -> int | None:
        """A descriptor that holds `alive`, or None while an old PostgreSQL process lives."""
        alive = os.open(self.root / "alive", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(alive)
            return None
        return alive

    def wait_until_left(self) -> Generator[float, None, int]:
        """Wait for the processes of an earlier server to go; yields seconds to sleep.

        Returns the descriptor that holds `alive`. A postmaster that was ours and has outlived its
        server is asked to leave, its orphaned backends are ended; a foreign one is waited for.

        Raises: EmbeddedPostgresError if it is still there after `OLD_SERVER_WAIT_S`.
        """
        since = time.monotonic()
        asked = False
        while True:
            postmaster = self._postmaster()
            alive = self.try_alive()
            if alive is not None:
                if postmaster is None:
                    return alive
                os.close(alive)
            elif postmaster is not None and not asked:
                asked = True
                log.warning("postgres of an ended server still runs", pid=postmaster)
                send(postmaster, SIGINT)
            elif postmaster is None and time.monotonic() - since > _ORPHAN_GRACE_S:
                for pid in self.processes():
                    log.warning("orphaned postgres process ended", pid=pid)
                    send(pid, SIGKILL)
            if time.monotonic() - since > OLD_SERVER_WAIT_S:
                pids = ", ".join(str(pid) for pid in self.processes()) or "unknown"
                raise EmbeddedPostgresError(
                    f"Another PostgreSQL (process {pids}) is at work in {self.root} and does not "
                    f"leave. Stop it, then start again."
                )
            yield _POLL_S

    def kill_the_rest(self) -> None:
        """End what a dead postmaster of ours has left at work. Returns when it is gone.

        Blocks; the usual case, that nothing is left, costs two system calls.
        """
        since = time.monotonic()
        while (alive := self.try_alive()) is None:
            for pid in self.processes():
                send(pid, SIGKILL)
            if time.monotonic() - since > _KILL_WAIT_S:
                log.error("postgres processes do not end", pids=self.processes())
                return
            time.sleep(_POLL_S)
        os.close(alive)

    def processes(self) -> list[int]:
        """The PostgreSQL processes at work in the data folder, or in the one in the making."""
        return [*processes_of(self.data), *processes_of(self.new / "data")]

    def _postmaster(self) -> int | None:
        lines = self._pid_file()
        try:
            # A server in single-user mode writes its pid with a minus sign.
            pid = abs(int(lines[0])) if lines else 0
        except ValueError:
            pid = 0
        return pid if pid and is_postgres_of(pid, self.data) else None

    def _pid_file(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return []

    def is_ready(self, pid: int) -> bool:
        """Whether the postmaster `pid`, and no other, takes connections."""
        lines = self._pid_file()
        return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"

    def remove_stale(self, socket: Path) -> None:
        """Remove what a killed server left behind. Only while `alive` is held.

        PostgreSQL judges its lock files by whether any process has the pid in them, so a number
        that came back for something else would keep it from starting. It still finds old shared
        memory without the file, by the inode of the data folder.
        """
        for path in (self.data / "postmaster.pid", socket / f"{_SOCKET_NAME}.lock"):
            path.unlink(missing_ok=True)
        (socket / _SOCKET_NAME).unlink(missing_ok=True)

    # What it holds

    def check_version(self, major: int) -> None:
        """Raises: EmbeddedPostgresError if the data was made by another major version."""
        try:
            version = (self.data / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            raise EmbeddedPostgresError(f"{self.data} holds no PostgreSQL database.") from None
        if version != str(major):
            raise EmbeddedPostgresError(
                f"The data in {self.data} was made by PostgreSQL {version}, but the binaries are "
                f"PostgreSQL {major}, which cannot read it. Name a PostgreSQL {version} in PG_BIN, "
                f"or dump with the old version (pg_dumpall), move the folder away, start again "
                f"and restore."
            )

    def password(self) -> str:
        """The role's password. Raises: EmbeddedPostgresError if there is none."""
        try:
            return self._password.read_text().strip()
        except FileNotFoundError:
            raise EmbeddedPostgresError(f"The password file {self._password} is missing.") from None

    def make_password(self) -> str:
        """The password for a new database: the one that is there, or a fresh one."""
        if not self._password.exists():
            # Written beside and renamed, so that a kill leaves the whole of it or none.
            beside = self.root / "password.new"
            beside.unlink(missing_ok=True)
            file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(file, "w") as stream:
                stream.write(secrets.token_urlsafe(24) + "\n")
                stream.flush()
                os.fsync(file)
            beside.rename(self._password)
        return self.password()

    def adopt(self) -> None:
        """Make the finished folder in `new` the data folder, and have it so after a power cut."""
        (self.new / "data").rename(self.data)
        root = os.open(self.root, os.O_RDONLY)
        try:
            os.fsync(root)
        finally:
            os.close(root)

    def socket(self) -> Path:
        """The folder of the socket. Raises: EmbeddedPostgresError if no server has made one."""
        if not self._socket.is_dir():
            raise EmbeddedPostgresError(f"The database in {self.root} has not been started.")
        return self._socket.resolve()

    def make_socket(self) -> Path:
        """The folder of the socket, made if needed: our own, or a private one if the path is long.

        Raises: EmbeddedPostgresError if the folder for temporary files is no good either.
        """
        if _is_good_for_socket(self._socket):
            if self._socket.is_symlink():
                self._socket.unlink()
            self._socket.mkdir(mode=0o700, exist_ok=True)
            return self._socket
        # The name tells whose it is, so that a copy of this folder does not share the socket.
        prefix = f"cyberhub-{hashlib.sha256(os.fsencode(self.root)).hexdigest()[:8]}-"
        if self._socket.is_symlink():
            target = self._socket.readlink()
            # Whoever was given the data was given this too.
            owners = {os.geteuid(), self.data.stat().st_uid}
            if target.name.startswith(prefix) and _is_private(target, owners):
                return target
            self._socket.unlink()
        target = Path(tempfile.mkdtemp(prefix=prefix)).resolve()
        if not _is_good_for_socket(target):
            target.rmdir()
            raise EmbeddedPostgresError(
                f"Neither {self._socket} nor {target} can hold a socket, whose path has at most "
                f"{_SOCKET_PATH_LIMIT} plain characters. Choose another folder, or set TMPDIR."
            )
        if self._socket.is_dir():
            self._socket.rmdir()
        self._socket.symlink_to(target)
        return target

    # What it says

    def open_log(self) -> int:
        """A descriptor to append to PostgreSQL's log; a large log is put aside first."""
        if self.log_path.exists() and self.log_path.stat().st_size > _LOG_LIMIT:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        return os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def log_tail(self, since: int) -> str:
        """The last lines of the log after the byte `since`."""
        with self.log_path.open("rb") as file:
            file.seek(since)
            return self.excerpt(file.read())

    def excerpt(self, output: bytes) -> str:
        """The last lines of what PostgreSQL said, without the password, and a note on a full disk.

        On a full disk PostgreSQL may be unable to write even the line that says so.
        """
        text = output.decode(errors="replace")
        if self._password.exists():
            text = text.replace(self.password(), "***")
        lines = text.splitlines()[-_TAIL_LINES:] or ["(PostgreSQL said nothing.)"]
        free_mb = shutil.disk_usage(self.root).free // 2**20
        if free_mb < _LOW_DISK_MB:
            lines.append(f"Only {free_mb} MB are free on the disk of {self.root}.")
        return "\n".join(lines)


def _is_good_for_socket(folder: Path) -> bool:
    path = folder / _SOCKET_NAME
    return len(os.fsencode(path)) <= _SOCKET_PATH_LIMIT and bool(_PLAIN_PATH.fullmatch(str(path)))


def _is_private(folder: Path, owners: Collection[int]) -> bool:
    """Whether a folder that is named in a link is one that we made, and nobody else's trap."""
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return False
    is_closed = stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o700
    return is_closed and status.st_uid in owners
