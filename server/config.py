"""Settings, read once from the environment. `.env.example` lists every one of them."""

import json
import os
import secrets
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from environs import Env, EnvError

SCHEMES = ("body", "standard-webhooks")
TRANSPORTS = ("websocket", "polling")

# RFC 7518 §3.2: a key of HS256 has at least the size of the hash output.
MIN_SECRET_BYTES = 32

Network = IPv4Network | IPv6Network


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
    var_dir: Path = Path("var")
    database_url: str | None = None
    database_pool: int = 20
    database_timeout_s: float = 5.0
    pg_bin: str | None = None
    demo: bool = False
    token_ttl_s: int = 12 * 3600
    auth_grace_s: float = 30.0
    issuers: tuple[Issuer, ...] = ()
    currency: str = "RUB"
    pay_url: str | None = None
    realtime_enabled: bool = True
    transports: tuple[str, ...] = TRANSPORTS
    cors_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[Network, ...] = ()
    body_max_bytes: int = 256 * 1024
    login_failures_per_name: str = "10/5 minutes"
    login_attempts_per_address: str = "1000/5 minutes"
    registrations_per_address: str = "200/hour"
    relay_poll_s: float = 1.0
    updates_max_wait_s: float = 50.0
    updates_max_waiting: int = 20_000
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
    metrics_access = env.str("METRICS_ACCESS", "anyone")
    if metrics_access not in ("anyone", "admin", "off"):
        raise ConfigError("METRICS_ACCESS takes anyone, admin or off.")
    log_format = env.str("LOG_FORMAT", "auto")
    if log_format not in ("auto", "text", "json"):
        raise ConfigError("LOG_FORMAT takes auto, text or json.")
    return Config(
        jwt_secret=jwt_secret,
        providers=providers,
        # The demo's accounts and pay page are for this machine alone.
        host="127.0.0.1" if demo else env.str("HOST", "0.0.0.0"),
        port=env.int("PORT", 3000),
        var_dir=var_dir,
        database_url=env.str("DATABASE_URL", "") or None,
        database_pool=env.int("DATABASE_POOL", Config.database_pool),
        database_timeout_s=env.float("DATABASE_TIMEOUT_S", Config.database_timeout_s),
        pg_bin=env.str("PG_BIN", "") or None,
        demo=demo,
        token_ttl_s=env.int("TOKEN_TTL_S", Config.token_ttl_s),
        auth_grace_s=env.float("AUTH_GRACE_S", Config.auth_grace_s),
        issuers=issuers,
        currency=env.str("CURRENCY", Config.currency),
        pay_url=env.str("PAY_URL", "") or None,
        realtime_enabled=env.bool("REALTIME_ENABLED", True),
        transports=transports,
        cors_origins=tuple(o.rstrip("/") for o in _list(env, "CORS_ORIGINS")),
        trusted_proxies=tuple(ip_network(n) for n in _list(env, "TRUSTED_PROXIES")),
        body_max_bytes=env.int("BODY_MAX_BYTES", Config.body_max_bytes),
        login_failures_per_name=env.str("LOGIN_FAILURES_PER_NAME", Config.login_failures_per_name),
        login_attempts_per_address=env.str(
            "LOGIN_ATTEMPTS_PER_ADDRESS", Config.login_attempts_per_address
        ),
        registrations_per_address=env.str(
            "REGISTRATIONS_PER_ADDRESS", Config.registrations_per_address
        ),
        relay_poll_s=env.float("RELAY_POLL_S", Config.relay_poll_s),
        updates_max_wait_s=env.float("UPDATES_MAX_WAIT_S", Config.updates_max_wait_s),
        updates_max_waiting=env.int("UPDATES_MAX_WAITING", Config.updates_max_waiting),
        metrics_access=metrics_access,
        log_format=log_format,
        log_level=env.str("LOG_LEVEL", Config.log_level).upper(),
        drain_s=env.float("DRAIN_S", Config.drain_s),
    )


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
