"""The composition root: puts the parts together. Only the command line and tests import it."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog
from aiohttp import web

import handlers.admin
import handlers.auth
import handlers.balance
import handlers.calendar
import handlers.calendar_feed
import handlers.cases
import handlers.chat
import handlers.connection
import handlers.dialogs
import handlers.drops
import handlers.event_stream
import handlers.inventory
import handlers.me
import handlers.members
import handlers.notifications
import handlers.payments
import handlers.plain_sockets
import handlers.reactor
import handlers.system
import handlers.updates
from events import ServerDraining
from server import keys, migrate
from server.club import accounts
from server.club.feeds import Secrets
from server.config import Config
from server.db import Database, translated
from server.engine import SAME_ORIGIN, FrontSite, Request
from server.engine.bundles import add_bundles
from server.errors import DatabaseUnavailable
from server.realtime.crowd import Places
from server.realtime.demotions import Demotions
from server.realtime.departures import Departures
from server.realtime.feeds import EVENT_STREAM, WS, WS_STREAM, FeedLimits, Feeds
from server.realtime.log import EventLog
from server.realtime.marks import Marks
from server.realtime.pids import Pids
from server.realtime.reactor import Reactor
from server.realtime.recovery import LogRecovery
from server.realtime.redis_manager import RedisManager
from server.realtime.relay import Relay
from server.realtime.retention import Retention
from server.realtime.roster import EMITTED, SOCKET_IO, Roster
from server.realtime.sio import ClubSio
from server.realtime.sockets import Sockets
from server.reminders import Reminders
from server.web import middleware, transactions
from server.web.auth import Authenticator
from server.web.commands import Commands, refuse_unknown
from server.web.lifecycle import Lifecycle, State
from server.web.limits import RateLimits
from server.web.pages import NODE_MODULES, add_pages
from server.web.passwords import Passwords
from server.web.routes import Routes
from server.web.tokens import Tokens

log = structlog.get_logger(__name__)

DOORS: tuple[Routes, ...] = (
    handlers.auth.routes,
    handlers.me.routes,
    handlers.members.routes,
    handlers.cases.routes,
    handlers.balance.routes,
    handlers.inventory.routes,
    handlers.payments.routes,
    handlers.dialogs.routes,
    handlers.chat.routes,
    handlers.notifications.routes,
    handlers.calendar.routes,
    handlers.calendar_feed.routes,
    handlers.drops.routes,
    handlers.updates.routes,
    handlers.event_stream.routes,
    handlers.reactor.routes,
    handlers.admin.routes,
    handlers.system.routes,
)
COMMANDS: tuple[Commands, ...] = (
    handlers.connection.commands,
    handlers.dialogs.commands,
    handlers.chat.commands,
)
REALTIME_DOORS: tuple[Routes, ...] = (
    handlers.plain_sockets.routes,
    handlers.reactor.socket_routes,
)

_HOUSEKEEPING_S = 600.0

# Waiting connections: a whole club comes back at once after a restart.
_BACKLOG = 4096

Prepare = Callable[[web.Application], Awaitable[None]]


def create_app(config: Config, *, prepare: Prepare | None = None) -> web.Application:
    """The application. `prepare` is awaited once, after migrations and before it is ready."""
    assert config.database_url is not None
    app = web.Application(
        middlewares=middleware.ALL, client_max_size=config.body_max_bytes
    )
    db = Database(
        config.database_url, pool_size=config.database_pool, timeout_s=config.database_timeout_s
    )
    event_log = EventLog(db)
    lifecycle = Lifecycle()
    tokens = Tokens(config)
    marks = Marks(db, per_second=config.recovery_marks_per_second)
    recovery = LogRecovery(
        db,
        event_log,
        marks=marks,
        pids=Pids(config.jwt_secret),
        presumed=tokens.presumed_member,
        enabled=config.recovery_enabled,
        reads=config.recovery_reads,
        tail=config.recovery_tail,
    )
    sio = _socketio(config, event_log, recovery, lifecycle)
    app[keys.CONFIG] = config
    app[keys.DB] = db
    app[keys.EVENT_LOG] = event_log
    app[keys.RELAY] = relay = Relay(
        db, event_log, sio.deliver, sio.together, poll_s=config.relay_poll_s
    )
    app[keys.DEPARTURES] = departures = Departures()
    app[keys.FEEDS] = feeds = _feeds(config, event_log, relay, departures)
    sio.listeners.append(feeds.tell)
    if sio.redis is not None:
        sio.redis.listeners.append(feeds.tell_of)
    app[keys.REACTOR] = Reactor(
        sio,
        feeds,
        enabled=config.reactor_enabled,
        detail_max_bytes=config.reactor_detail_max_bytes,
        backlog=config.reactor_backlog,
    )
    app[keys.ROSTER] = Roster(
        db,
        name=config.worker_name or "",
        url=worker_url(config, config.port),
        counts=lambda: _counts(app),
    )
    app[keys.RETENTION] = Retention(db, days=config.event_log_days)
    app[keys.REMINDERS] = Reminders(app)
    app[keys.FEED_SECRETS] = Secrets(config.jwt_secret)
    app[keys.MARKS] = marks
    app[keys.SIO] = sio
    app[keys.SOCKETS] = Sockets(
        sio, recovery, grace_s=config.auth_grace_s, per_member=config.sockets_per_member
    )
    app[keys.DEMOTIONS] = Demotions(
        db, sio, app[keys.SOCKETS], feeds, pause_s=config.role_check_s
    )
    recovery.begin(app[keys.RELAY], app[keys.SOCKETS])
    app[keys.AUTH] = Authenticator(db, tokens, accounts)
    app[keys.LIMITS] = RateLimits(config)
    app[keys.PASSWORDS] = Passwords(max_waiting=config.sign_ins_waiting)
    app[keys.TURNS] = transactions.Turns()
    app[keys.LIFECYCLE] = lifecycle
    _add_doors(app, config)
    app.cleanup_ctx.append(_run(prepare))
    return app


def worker_url(config: Config, port: int) -> str:
    """Where other workers reach this one."""
    if config.worker_url is not None:
        return config.worker_url.rstrip("/")
    anywhere = config.host in ("0.0.0.0", "::", "")
    return f"http://{'127.0.0.1' if anywhere else config.host}:{port}"


def _counts(app: web.Application) -> dict[str, int]:
    """What this worker tells the others of itself."""
    feeds, reactor = app[keys.FEEDS], app[keys.REACTOR]
    doors = {door: feeds.count(door) for door in (WS_STREAM, WS, EVENT_STREAM)}
    emitted = {f"{EMITTED}{type_}": count for type_, count in reactor.by_type.items()}
    return {SOCKET_IO: len(app[keys.SOCKETS])} | doors | emitted


def _add_doors(app: web.Application, config: Config) -> None:
    doors = list(DOORS)
    if config.demo:
        doors.append(handlers.payments.demo_routes)
    if config.realtime_enabled:
        doors.extend(REALTIME_DOORS)
    else:
        doors.append(handlers.system.realtime_off_routes)
    routes = [route for door in doors for route in door.all]
    for route in routes:
        app.router.add_route(route.method, route.path, route.__call__)
    app[keys.ROUTES] = routes
    app[keys.DOCUMENTS] = {}
    add_pages(app, demo=config.demo)
    add_bundles(app, NODE_MODULES / "socket.io-client")
    handlers.connection.bind(app)
    for commands in COMMANDS:
        commands.bind(app)
    refuse_unknown(app)
    if config.realtime_enabled:
        app[keys.SIO].attach(app)


def _feeds(
    config: Config, event_log: EventLog, relay: Relay, departures: Departures
) -> Feeds:
    limits = FeedLimits(
        queue=config.stream_queue,
        readers=config.stream_readers,
        patience_s=config.database_timeout_s,
        streams=Places(
            config.streams_max, config.streams_per_address, config.streams_per_member
        ),
        waiting=Places(
            config.updates_max_waiting,
            config.updates_waiting_per_address,
            config.updates_waiting_per_member,
        ),
    )
    return Feeds(event_log, relay, departures, limits, grace_s=config.auth_grace_s)


def _socketio(
    config: Config, event_log: EventLog, recovery: LogRecovery, lifecycle: Lifecycle
) -> ClubSio:
    def client_address(request: Request) -> str:
        forwarded = request.headers.get("x-forwarded-for", "")
        return middleware.caller_address(request.peer, forwarded, config)

    return ClubSio(
        event_log,
        redis=None if config.redis_url is None else RedisManager(config.redis_url),
        recovery=recovery,
        cors_allowed_origins=[SAME_ORIGIN, *config.cors_origins],
        origin_required=config.origin_required,
        client_address=client_address,
        # A new session would be cut at once, or could not be told who it is.
        ready=lambda: lifecycle.state is State.READY,
        keep_environ=False,
        sid_prefix=f"{config.worker_name}." if config.worker_name else "",
        transports=list(config.transports),
        # Or the handshake offers an upgrade that is then refused.
        allow_upgrades="websocket" in config.transports,
        logger=False,
        engineio_logger=False,
        **config.engine,
    )


def _run(prepare: Prepare | None) -> Callable[[web.Application], AsyncIterator[None]]:
    async def run(app: web.Application) -> AsyncIterator[None]:
        await app[keys.DB].open()
        app[keys.REACTOR].start()
        app[keys.SIO].start()
        tasks = [
            asyncio.create_task(_get_ready(app, prepare)),
            asyncio.create_task(_keep_house(app)),
            asyncio.create_task(app[keys.FEEDS].watch()),
        ]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await app[keys.ROSTER].leave()
        await app[keys.SIO].stop()
        await app[keys.LIMITS].close()
        app[keys.PASSWORDS].close()
        await app[keys.MARKS].close()
        await app[keys.DB].close()

    return run


async def _get_ready(app: web.Application, prepare: Prepare | None) -> None:
    """Migrate as soon as the database answers, then follow the log for the server's life."""
    lifecycle = app[keys.LIFECYCLE]
    lifecycle.reason = "migrations are not done"
    dsn = app[keys.DB].dsn
    while True:
        try:
            with translated():
                await asyncio.to_thread(migrate.upgrade, dsn)
            if prepare is not None:
                await prepare(app)
            break
        except DatabaseUnavailable as error:
            log.warning("waiting for the database", reason=str(error.__cause__))
            await asyncio.sleep(1.0)
        except Exception:
            # The process lives on and says so: an operator finds it degraded, not gone.
            log.exception("the server cannot get ready")
            lifecycle.reason = "migration or preparation failed; see the log"
            await asyncio.sleep(5.0)
    tasks = [
        asyncio.create_task(app[keys.RELAY].run()),
        asyncio.create_task(app[keys.RETENTION].run()),
        asyncio.create_task(app[keys.REMINDERS].run()),
        asyncio.create_task(app[keys.ROSTER].run()),
        asyncio.create_task(app[keys.DEMOTIONS].run()),
    ]
    try:
        await app[keys.RELAY].connected.wait()
        lifecycle.ready()
        log.info("ready")
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def _keep_house(app: web.Application) -> None:
    """Remove idempotency keys that have had their day."""
    while True:
        await asyncio.sleep(_HOUSEKEEPING_S)
        try:
            async with app[keys.DB].connection() as connection:
                await transactions.delete_expired(connection)
        except DatabaseUnavailable:
            log.warning("housekeeping put off: the database does not answer")
        except Exception:
            log.exception("housekeeping failed")


async def listen(
    runner: web.AppRunner, app: web.Application, host: str, port: int
) -> web.TCPSite:
    """Take connections, with the engine's front door if real time is on. Port 0: any free one."""
    if app[keys.CONFIG].realtime_enabled:
        site: web.TCPSite = FrontSite(runner, app[keys.SIO].eio, host, port)
    else:
        site = web.TCPSite(runner, host, port, backlog=_BACKLOG)
    await site.start()
    app[keys.ROSTER].url = worker_url(app[keys.CONFIG], site.port)
    return site


async def drain(app: web.Application) -> None:
    """Tell clients to come back later, answer those who wait, close their connections.

    Takes `drain_s` seconds at most; what is left then is cut.
    """
    app[keys.LIFECYCLE].drain()
    app[keys.FEEDS].drain()
    sio, sockets = app[keys.SIO], app[keys.SOCKETS].all()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(app[keys.CONFIG].drain_s):
            # Spread out, so that they do not all come back in the same second.
            await asyncio.gather(
                *(
                    sio.emit(ServerDraining(each.sid, random.randint(500, 3000)))
                    for each in sockets
                )
            )
            # Their transport is closed, not their namespace: after a `disconnect` from the
            # server a client takes itself for thrown out and does not come back by itself.
            await sio.shutdown()
