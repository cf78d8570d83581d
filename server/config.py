"""Settings, read once from the environment. `.env.example` lists every one of them."""

import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from environs import Env, EnvError
from limits import parse as parse_rate

SCHEMES = ("body", "standard-webhooks")
TRANSPORTS = ("websocket", "polling")

# RFC 7518 §3.2: a key of HS256 has at least the size of the hash output.
MIN_SECRET_BYTES = 32

# No text of a member is longer, whatever the settings say: events.views has the same bound.
MAX_TEXT = 16_000

Network = IPv4Network | IPv6Network


#: What an operator may change of the transport; seconds, bytes or how many. The bounds are
#: those of server/engine/limits.py, and say there what they are.
ENGINE: Mapping[str, float] = {
    "ping_interval": 25.0,
    "ping_timeout": 20.0,
    "max_http_buffer_size": 1_000_000,
    "max_outgoing_bytes": 1_048_576,
    "max_attachments": 32,
    "max_namespaces": 32,
    "events_per_second": 100.0,
    "events_burst": 1000,
    "max_handlers": 64,
    "max_sessions_per_address": 2000,
    "handshakes_per_second": 200.0,
    "handshakes_burst": 2000,
    "connect_timeout": 45.0,
    "upgrade_timeout": 10.0,
    "close_timeout": 5.0,
    "max_fragments": 1024,
    "max_head_bytes": 16_384,
    "head_timeout": 10.0,
    "body_timeout": 30.0,
    "keepalive_timeout": 75.0,
}


class ConfigError(Exception):
    """A setting is missing or not valid; the message names it."""


@dataclass(frozen=True)
class Issuer:
    """A foreign token issuer: `iss`, its own HS256 secret, the audience it must name."""

    issuer: str
    secret: str
    audience: str


@dataclass(frozen=True)
class Provider:
    """A payment provider: several secrets are valid at once while they are rotated."""

    name: str
    secrets: tuple[str, ...]
    schemes: tuple[str, ...] = SCHEMES


@dataclass(frozen=True)
class Config:
    """Everything that may differ between two installations."""

    jwt_secret: str
    providers: tuple[Provider, ...]
    host: str = "127.0.0.1"
    port: int = 3000
    worker_name: str | None = None
    worker_url: str | None = None
    redis_url: str | None = None
    var_dir: Path = Path("var")
    database_url: str | None = None
    database_pool: int = 20
    database_timeout_s: float = 5.0
    pg_bin: str | None = None
    demo: bool = False
    token_ttl_s: int = 12 * 3600
    auth_grace_s: float = 30.0
    role_check_s: float = 5.0
    issuers: tuple[Issuer, ...] = ()
    currency: str = "RUB"
    pay_url: str | None = None
    dialog_members_max: int = 50
    dialogs_begun_max: int = 500
    dialogs_joined_max: int = 500
    dialog_subject_max: int = 200
    dialog_text_max: int = 4000
    messages_per_minute: float = 120.0
    messages_burst: int = 30
    messages_per_day: int = 5000
    dialogs_per_minute: float = 2.0
    dialogs_burst: int = 30
    typing_per_minute: float = 60.0
    typing_burst: int = 10
    chat_text_max: int = 500
    chat_per_minute: float = 10.0
    chat_burst: int = 5
    realtime_enabled: bool = True
    transports: tuple[str, ...] = TRANSPORTS
    cors_origins: tuple[str, ...] = ()
    origin_required: bool = False
    engine: Mapping[str, float] = field(default_factory=lambda: dict(ENGINE))
    sockets_per_member: int = 50
    recovery_enabled: bool = True
    # Of the pool's connections: the club's work needs the others.
    recovery_reads: int = 8
    recovery_tail: int = 2000
    recovery_marks_per_second: float = 100.0
    event_log_days: float = 7.0
    trusted_proxies: tuple[Network, ...] = ()
    body_max_bytes: int = 256 * 1024
    body_timeout_s: float = 20.0
    login_failures_per_name: str = "10/5 minutes"
    login_attempts_per_name: str = "100/5 minutes"
    login_attempts_per_address: str = "1000/5 minutes"
    registrations_per_address: str = "200/hour"
    # About five seconds of hashing: who comes later would have given up before the answer.
    sign_ins_waiting: int = 50
    relay_poll_s: float = 1.0
    updates_max_wait_s: float = 50.0
    updates_max_waiting: int = 20_000
    updates_waiting_per_address: int = 2000
    updates_waiting_per_member: int = 50
    streams_max: int = 20_000
    streams_per_address: int = 2000
    streams_per_member: int = 50
    stream_queue: int = 500
    stream_readers: int = 8
    stream_heartbeat_s: float = 25.0
    stream_write_timeout_s: float = 60.0
    stream_message_max_bytes: int = 64 * 1024
    notifications_max: int = 1000
    participants_max: int = 200
    events_per_month: int = 300
    calendar_per_minute: float = 20.0
    calendar_burst: int = 60
    lookups_per_minute: float = 10.0
    lookups_burst: int = 30
    reminder_before_s: float = 1800.0
    calendar_feed_max: int = 1000
    calendar_feed_per_minute: float = 10.0
    calendar_feed_burst: int = 30
    public_url: str | None = None
    reactor_enabled: bool = True
    reactor_detail_max_bytes: int = 16 * 1024
    reactor_backlog: int = 10_000
    metrics_access: str = "anyone"
    log_format: str = "auto"
    log_level: str = "INFO"
    drain_s: float = 1.0

    def with_database(self, dsn: str) -> "Config":
        """The same settings on the database at `dsn`."""
        return replace(self, database_url=dsn)


def load(*, demo: bool = False) -> Config:
    """Read the settings.

    In the demo a missing secret is generated and kept in `secrets.json` of the data folder;
    outside it a missing secret is a refusal to start.

    Raises: ConfigError.
    """
    env = Env()
    try:
        return _read(env, demo=demo)
    except (EnvError, ValueError) as error:
        raise ConfigError(str(error)) from error


def _read(env: Env, *, demo: bool) -> Config:
    var_dir = Path(env.str("VAR_DIR", "var")).expanduser()
    jwt_secret = env.str("JWT_SECRET", "")
    # The previous secret stays valid while the provider changes to the new one.
    named = (env.str("PAYMENT_SECRET", ""), env.str("PAYMENT_SECRET_PREVIOUS", ""))
    payment_secrets = tuple(secret for secret in named if secret)
    providers = _providers(env.json("PAYMENT_PROVIDERS", []))
    if demo and not (jwt_secret and payment_secrets):
        kept = _demo_secrets(var_dir)
        jwt_secret = jwt_secret or kept["jwt_secret"]
        payment_secrets = payment_secrets or (kept["payment_secret"],)
    if not jwt_secret:
        raise ConfigError("JWT_SECRET is not set. Give it 32 or more random bytes as text.")
    if not payment_secrets and not providers:
        raise ConfigError("PAYMENT_SECRET is not set (nor PAYMENT_PROVIDERS).")
    if payment_secrets:
        providers = (Provider("smartshell", payment_secrets), *providers)
    issuers = tuple(_issuer(each) for each in env.json("JWT_ISSUERS", []))
    _check_secret("JWT_SECRET", jwt_secret)
    for issuer in issuers:
        _check_secret(f"JWT_ISSUERS: the secret of {issuer.issuer}", issuer.secret)
    for provider in providers:
        for secret in provider.secrets:
            _check_secret(f"the payment secret of {provider.name}", secret)
    transports = tuple(_list(env, "TRANSPORTS")) or TRANSPORTS
    if set(transports) - set(TRANSPORTS):
        raise ConfigError("TRANSPORTS takes websocket and polling, separated by a comma.")
    return Config(
        jwt_secret=jwt_secret,
        providers=providers,
        # The demo's accounts and pay page are for this machine alone.
        host="127.0.0.1" if demo else env.str("HOST", "0.0.0.0"),
        port=_whole(env, "PORT", Config.port, 1, 65535),
        worker_name=_worker_name(env),
        worker_url=_address(env, "WORKER_URL"),
        redis_url=_redis_url(env),
        var_dir=var_dir,
        database_url=env.str("DATABASE_URL", "") or None,
        database_pool=_whole(env, "DATABASE_POOL", Config.database_pool, 2, 1000),
        database_timeout_s=_seconds(env, "DATABASE_TIMEOUT_S", Config.database_timeout_s),
        pg_bin=env.str("PG_BIN", "") or None,
        demo=demo,
        token_ttl_s=_whole(env, "TOKEN_TTL_S", Config.token_ttl_s, 1, 10 * 365 * 86400),
        auth_grace_s=_seconds(env, "AUTH_GRACE_S", Config.auth_grace_s),
        role_check_s=_seconds(env, "ROLE_CHECK_S", Config.role_check_s),
        issuers=issuers,
        currency=_matching(env, "CURRENCY", Config.currency, "[A-Z]{3}"),
        pay_url=env.str("PAY_URL", "") or None,
        dialog_members_max=_whole(env, "DIALOG_MEMBERS_MAX", Config.dialog_members_max, 2, 1000),
        dialogs_begun_max=_whole(
            env, "DIALOGS_BEGUN_MAX", Config.dialogs_begun_max, 1, 100_000
        ),
        dialogs_joined_max=_whole(
            env, "DIALOGS_JOINED_MAX", Config.dialogs_joined_max, 1, 100_000
        ),
        dialog_subject_max=_whole(
            env, "DIALOG_SUBJECT_MAX", Config.dialog_subject_max, 1, MAX_TEXT
        ),
        dialog_text_max=_whole(env, "DIALOG_TEXT_MAX", Config.dialog_text_max, 1, MAX_TEXT),
        messages_per_minute=_number(
            env, "MESSAGES_PER_MINUTE", Config.messages_per_minute, 1e6
        ),
        messages_burst=_whole(env, "MESSAGES_BURST", Config.messages_burst, 1, 1_000_000),
        messages_per_day=_whole(
            env, "MESSAGES_PER_DAY", Config.messages_per_day, 1, 10_000_000
        ),
        dialogs_per_minute=_number(
            env, "DIALOGS_PER_MINUTE", Config.dialogs_per_minute, 1e6
        ),
        dialogs_burst=_whole(env, "DIALOGS_BURST", Config.dialogs_burst, 1, 1_000_000),
        typing_per_minute=_number(env, "TYPING_PER_MINUTE", Config.typing_per_minute, 1e6),
        typing_burst=_whole(env, "TYPING_BURST", Config.typing_burst, 1, 1_000_000),
        chat_text_max=_whole(env, "CHAT_TEXT_MAX", Config.chat_text_max, 1, MAX_TEXT),
        chat_per_minute=_number(env, "CHAT_PER_MINUTE", Config.chat_per_minute, 1e6),
        chat_burst=_whole(env, "CHAT_BURST", Config.chat_burst, 1, 1_000_000),
        realtime_enabled=env.bool("REALTIME_ENABLED", True),
        transports=transports,
        cors_origins=tuple(_origin(each) for each in _list(env, "CORS_ORIGINS")),
        origin_required=env.bool("ORIGIN_REQUIRED", Config.origin_required),
        engine={name: _bound(env, name, default) for name, default in ENGINE.items()},
        sockets_per_member=_whole(
            env, "SOCKETS_PER_MEMBER", Config.sockets_per_member, 1, 1_000_000
        ),
        recovery_enabled=env.bool("RECOVERY_ENABLED", Config.recovery_enabled),
        recovery_reads=_whole(env, "RECOVERY_READS", Config.recovery_reads, 1, 1000),
        recovery_tail=_whole(env, "RECOVERY_TAIL", Config.recovery_tail, 1, 1_000_000),
        recovery_marks_per_second=_number(
            env, "RECOVERY_MARKS_PER_SECOND", Config.recovery_marks_per_second, 1e6
        ),
        event_log_days=_number(env, "EVENT_LOG_DAYS", Config.event_log_days, 36_500),
        trusted_proxies=_networks(env, "TRUSTED_PROXIES"),
        body_max_bytes=_whole(env, "BODY_MAX_BYTES", Config.body_max_bytes, 1024, 2**30),
        body_timeout_s=_seconds(env, "BODY_TIMEOUT_S", Config.body_timeout_s),
        login_failures_per_name=_rate(
            env, "LOGIN_FAILURES_PER_NAME", Config.login_failures_per_name
        ),
        login_attempts_per_name=_rate(
            env, "LOGIN_ATTEMPTS_PER_NAME", Config.login_attempts_per_name
        ),
        login_attempts_per_address=_rate(
            env, "LOGIN_ATTEMPTS_PER_ADDRESS", Config.login_attempts_per_address
        ),
        registrations_per_address=_rate(
            env, "REGISTRATIONS_PER_ADDRESS", Config.registrations_per_address
        ),
        sign_ins_waiting=_whole(env, "SIGN_INS_WAITING", Config.sign_ins_waiting, 2, 10_000),
        relay_poll_s=_seconds(env, "RELAY_POLL_S", Config.relay_poll_s),
        updates_max_wait_s=_seconds(env, "UPDATES_MAX_WAIT_S", Config.updates_max_wait_s),
        updates_max_waiting=_whole(
            env, "UPDATES_MAX_WAITING", Config.updates_max_waiting, 0, 10_000_000
        ),
        updates_waiting_per_address=_whole(
            env,
            "UPDATES_WAITING_PER_ADDRESS",
            Config.updates_waiting_per_address,
            0,
            10_000_000,
        ),
        updates_waiting_per_member=_whole(
            env, "UPDATES_WAITING_PER_MEMBER", Config.updates_waiting_per_member, 0, 1_000_000
        ),
        streams_max=_whole(env, "STREAMS_MAX", Config.streams_max, 0, 10_000_000),
        streams_per_address=_whole(
            env, "STREAMS_PER_ADDRESS", Config.streams_per_address, 1, 10_000_000
        ),
        streams_per_member=_whole(
            env, "STREAMS_PER_MEMBER", Config.streams_per_member, 1, 1_000_000
        ),
        stream_queue=_whole(env, "STREAM_QUEUE", Config.stream_queue, 1, 1_000_000),
        stream_readers=_whole(env, "STREAM_READERS", Config.stream_readers, 1, 1000),
        stream_heartbeat_s=_seconds(env, "STREAM_HEARTBEAT_S", Config.stream_heartbeat_s),
        stream_write_timeout_s=_seconds(
            env, "STREAM_WRITE_TIMEOUT_S", Config.stream_write_timeout_s
        ),
        stream_message_max_bytes=_whole(
            env, "STREAM_MESSAGE_MAX_BYTES", Config.stream_message_max_bytes, 1024, 2**30
        ),
        notifications_max=_whole(
            env, "NOTIFICATIONS_MAX", Config.notifications_max, 1, 100_000
        ),
        participants_max=_whole(
            env, "PARTICIPANTS_MAX", Config.participants_max, 1, 10_000
        ),
        events_per_month=_whole(
            env, "EVENTS_PER_MONTH", Config.events_per_month, 1, 1_000_000
        ),
        calendar_per_minute=_number(
            env, "CALENDAR_PER_MINUTE", Config.calendar_per_minute, 1e6
        ),
        calendar_burst=_whole(env, "CALENDAR_BURST", Config.calendar_burst, 1, 1_000_000),
        lookups_per_minute=_number(
            env, "LOOKUPS_PER_MINUTE", Config.lookups_per_minute, 1e6
        ),
        lookups_burst=_whole(env, "LOOKUPS_BURST", Config.lookups_burst, 1, 1_000_000),
        reminder_before_s=_seconds(env, "REMINDER_BEFORE_S", Config.reminder_before_s),
        calendar_feed_max=_whole(
            env, "CALENDAR_FEED_MAX", Config.calendar_feed_max, 1, 100_000
        ),
        calendar_feed_per_minute=_number(
            env, "CALENDAR_FEED_PER_MINUTE", Config.calendar_feed_per_minute, 1e6
        ),
        calendar_feed_burst=_whole(
            env, "CALENDAR_FEED_BURST", Config.calendar_feed_burst, 1, 1_000_000
        ),
        public_url=_address(env, "PUBLIC_URL"),
        reactor_enabled=env.bool("REACTOR_ENABLED", Config.reactor_enabled),
        reactor_detail_max_bytes=_whole(
            env, "REACTOR_DETAIL_MAX_BYTES", Config.reactor_detail_max_bytes, 2, 2**20
        ),
        reactor_backlog=_whole(env, "REACTOR_BACKLOG", Config.reactor_backlog, 1, 10_000_000),
        metrics_access=_matching(
            env, "METRICS_ACCESS", Config.metrics_access, "anyone|admin|off"
        ),
        log_format=_matching(env, "LOG_FORMAT", Config.log_format, "auto|text|json"),
        log_level=_matching(
            env, "LOG_LEVEL", Config.log_level, "DEBUG|INFO|WARNING|ERROR|CRITICAL"
        ),
        drain_s=_seconds(env, "DRAIN_S", Config.drain_s),
    )


def _worker_name(env: Env) -> str | None:
    name = env.str("WORKER_NAME", "")
    if not re.fullmatch("[A-Za-z0-9]{0,16}", name):
        raise ConfigError("WORKER_NAME takes up to 16 Latin letters and digits.")
    return name or None


def _redis_url(env: Env) -> str | None:
    url = env.str("REDIS_URL", "")
    if url and not url.startswith(("redis://", "rediss://")):
        # The valkey:// client of python-socketio does not notice a subscription that has died.
        raise ConfigError("REDIS_URL takes redis://host:port/0, or rediss:// for TLS.")
    return url or None


def _address(env: Env, name: str) -> str | None:
    value = env.str(name, "")
    if value and not re.fullmatch(r"https?://[^/\s?#]+/?", value):
        raise ConfigError(f"{name} takes an address such as https://club.example.")
    return value or None


def _whole(env: Env, name: str, default: int, low: int, high: int) -> int:
    value = env.int(name, default)
    if not low <= value <= high:
        raise ConfigError(f"{name} takes a whole number from {low} to {high}.")
    return value


def _seconds(env: Env, name: str, default: float) -> float:
    value = env.float(name, default)
    if not 0 < value <= 86_400:
        raise ConfigError(f"{name} takes seconds, more than 0 and at most a day.")
    return value


def _number(env: Env, name: str, default: float, high: float) -> float:
    value = env.float(name, default)
    if not 0 < value <= high:
        raise ConfigError(f"{name} takes a number greater than 0 and at most {high:g}.")
    return value


def _bound(env: Env, name: str, default: float) -> float:
    setting = f"ENGINE_{name.upper()}"
    if isinstance(default, int):
        return _whole(env, setting, default, 1, 2**40)
    value = env.float(setting, default)
    if not 0 < value <= 1e9:
        raise ConfigError(f"{setting} takes a number greater than 0.")
    return value


def _origin(text: str) -> str:
    """An origin as browsers say it: `https://club.example` has no slash at its end."""
    return text.rstrip("/") if text.startswith(("http://", "https://")) else text


def _matching(env: Env, name: str, default: str, pattern: str) -> str:
    value = env.str(name, default)
    if not re.fullmatch(pattern, value):
        raise ConfigError(f"{name} takes {' or '.join(pattern.rsplit('|', 1)).replace('|', ', ')}.")
    return value


def _rate(env: Env, name: str, default: str) -> str:
    value = env.str(name, default)
    try:
        parse_rate(value)
    except ValueError:
        raise ConfigError(f'{name} takes a rate such as "10/5 minutes".') from None
    return value


def _networks(env: Env, name: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(network) for network in _list(env, name))
    except ValueError:
        given = env.str(name)
        raise ConfigError(f"{name} takes networks, as in 10.0.0.0/8, ::1; not {given}.") from None


def _list(env: Env, name: str) -> list[str]:
    return [each.strip() for each in env.str(name, "").split(",") if each.strip()]


def _demo_secrets(var_dir: Path) -> dict[str, str]:
    """The demo's generated secrets, made at the first start and kept."""
    path = var_dir / "secrets.json"
    if not path.exists():
        write_private(
            path,
            {
                "jwt_secret": secrets.token_urlsafe(32),
                "payment_secret": secrets.token_urlsafe(32),
            },
        )
    kept: dict[str, str] = json.loads(path.read_text())
    return kept


def write_private(path: Path, content: Any) -> None:
    """Write JSON that only the owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _check_secret(what: str, secret: str) -> None:
    if len(secret.encode()) < MIN_SECRET_BYTES:
        raise ConfigError(f"{what} is too short: at least {MIN_SECRET_BYTES} bytes.")


def _issuer(entry: Any) -> Issuer:
    try:
        return Issuer(entry["issuer"], entry["secret"], entry["audience"])
    except (KeyError, TypeError) as error:
        raise ConfigError(
            'JWT_ISSUERS takes [{"issuer": "…", "secret": "…", "audience": "…"}].'
        ) from error


def _providers(entries: Any) -> tuple[Provider, ...]:
    try:
        providers = tuple(
            Provider(e["name"], tuple(e["secrets"]), (e["scheme"],)) for e in entries
        )
    except (KeyError, TypeError) as error:
        raise ConfigError(
            'PAYMENT_PROVIDERS takes [{"name": "…", "scheme": "body", "secrets": ["…"]}].'
        ) from error
    for provider in providers:
        if set(provider.schemes) - set(SCHEMES):
            raise ConfigError(f"PAYMENT_PROVIDERS: the schemes are {json.dumps(SCHEMES)}.")
    return providers
