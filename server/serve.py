"""One serving process, from its start to its last answer."""

import asyncio
import contextlib
import ctypes
import gc
import json
import os
import resource
import signal
import sys
from collections.abc import Iterator

import structlog
from aiohttp import web

from server import app as composition
from server import demo, logs
from server.config import Config
from server.embedded_postgres import EmbeddedPostgres
from server.keys import LIFECYCLE

log = structlog.get_logger(__name__)

# Longer than the minute that proxies keep theirs, so that it is never we who close first.
_KEEP_ALIVE_S = 75.0


_PR_SET_PDEATHSIG = 1
# What PostgreSQL keeps for others: superusers, backups, commands beside the server.
_SPARE_CONNECTIONS = 20


def serve(config: Config, *, minded_by: int | None = None) -> None:
    """Serve until SIGTERM or SIGINT, in this process, or until the one that minds it is killed."""
    import uvloop

    if minded_by is not None:
        _end_with(minded_by)
    logs.configure(format=config.log_format, level=config.log_level)
    allow_open_files()
    with database(config) as (dsn, postgres):
        # In the main thread: PostgreSQL is tied to the life of the thread that forks it.
        uvloop.run(_run_server(config.with_database(dsn), postgres))


def allow_open_files() -> None:
    """Take as many open files as this process may: each client is one, and shells give few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _end_with(parent: int) -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:
        # It died before the line above could tell us.
        sys.exit("cyberhub: the process that minds the workers has ended")


@contextlib.contextmanager
def database(
    config: Config, *, connections: int = 0
) -> Iterator[tuple[str, EmbeddedPostgres | None]]:
    """The DSN to use, and the embedded server behind it where there is one.

    That one takes so many connections at least.
    """
    if config.database_url is not None:
        yield config.database_url, None
        return
    postgres = EmbeddedPostgres(
        config.var_dir / "postgres",
        pg_bin=config.pg_bin,
        settings={"max_connections": str(max(100, connections + _SPARE_CONNECTIONS))},
        progress=_progress,
    )
    # A signal that comes while PostgreSQL starts must still end it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        postgres.start()
        yield postgres.dsn(), postgres
    finally:
        postgres.stop()


async def _run_server(config: Config, postgres: EmbeddedPostgres | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    app = composition.create_app(config, prepare=demo.fill if config.demo else None)
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=1.0, keepalive_timeout=_KEEP_ALIVE_S
    )
    await runner.setup()
    tasks = [asyncio.create_task(_leave_alone_what_stays(app))]
    if postgres:
        tasks.append(asyncio.create_task(postgres.supervise()))
    if config.demo:
        tasks.append(asyncio.create_task(_welcome_when_ready(app, config)))
    try:
        await composition.listen(runner, app, config.host, config.port)
        log.info(f"listening on http://{config.host}:{config.port}")
        await stop.wait()
        log.info("stopping")
        await composition.drain(app)
    finally:
        for task in tasks:
            task.cancel()
        await runner.cleanup()


async def _leave_alone_what_stays(app: web.Application) -> None:
    """Spare the garbage collector what the start has made.

    It lives as long as the process, and a walk through its hundred thousand objects would hold
    up everybody for tens of milliseconds, now and again.
    """
    await app[LIFECYCLE].is_ready.wait()
    gc.collect()
    gc.freeze()


def _progress(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


async def _welcome_when_ready(app: web.Application, config: Config) -> None:
    await app[LIFECYCLE].is_ready.wait()
    _welcome(config)


def _welcome(config: Config) -> None:
    address = f"http://localhost:{config.port}"
    lines = ["", f"CyberHub is open: {address}", ""]
    path = config.var_dir / "demo-accounts.json"
    if path.exists():
        lines.append(f"Demo accounts (kept in {path}):")
        for kind, account in json.loads(path.read_text()).items():
            lines.append(f"  {kind:<8} {account['username']:<8} {account['password']}")
    else:
        lines.append("This database held accounts already: the demo added nothing.")
    lines += [
        "",
        "Try:",
        f"  {address}/          sign in as player1 and open a case",
        f"  {address}/dialogs   write to the staff, or answer as staff",
        f"  {address}/calendar  answer an invitation, or invite",
        f"  {address}/admin     sign in as admin and change one",
        f"  {address}/docs      the HTTP interface",
        f"  curl {address}/health",
        "",
        "Ctrl-C stops it; the data stays.",
        "",
    ]
    print("\n".join(lines), flush=True)
