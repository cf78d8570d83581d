"""The `cyberhub` command."""

import argparse
import asyncio
import contextlib
import getpass
import json
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from server import config as settings
from server import logs, migrate, workers
from server.club import accounts, signatures
from server.config import Config, ConfigError
from server.db import Database
from server.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError, FolderInUse
from server.errors import ClubError
from server.serve import database, serve
from server.web import asyncapi, typescript
from server.web.pages import CLIENT, PagesMissing
from server.web.passwords import Passwords
from server.web.tokens import Tokens

_DOCS = Path(__file__).parent.parent / "docs"


def main(argv: list[str] | None = None) -> None:
    """Run a command; exits with 0, or with 1 and a sentence on stderr."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except (ConfigError, EmbeddedPostgresError, PagesMissing, ClubError) as error:
        sys.exit(f"cyberhub: {error}")
    except OSError as error:
        sys.exit(f"cyberhub: {error.strerror or error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cyberhub", description="The real-time back end of a gaming club's site."
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    serve_ = commands.add_parser("serve", help="run the server with the settings of .env.example")
    serve_.add_argument(
        "--workers",
        type=int,
        default=None,
        metavar="N",
        help="so many processes, on PORT and the ports after it",
    )
    # Said by the process that minds the workers.
    serve_.add_argument("--minded-by", type=int, help=argparse.SUPPRESS)
    serve_.set_defaults(run=_serve)

    demo_ = commands.add_parser("demo", help="run a demo club on this machine")
    demo_.set_defaults(run=lambda _: serve(settings.load(demo=True)))

    migrate_ = commands.add_parser("migrate", help="bring the database to this code's schema")
    migrate_.set_defaults(run=_migrate)

    admin = commands.add_parser("admin", help="administrators")
    admin_commands = admin.add_subparsers(required=True, metavar="command")
    create = admin_commands.add_parser("create", help="make an administrator")
    create.add_argument("username")
    create.add_argument(
        "--password-stdin", action="store_true", help="read the password from standard input"
    )
    create.set_defaults(run=_create_admin)

    token = commands.add_parser("token", help="print a token for a member or a service")
    token.add_argument("--user", help="the member's name")
    token.add_argument("--role", choices=["service"], help="a service's token instead")
    token.add_argument("--name", help="the service's name")
    token.add_argument("--days", type=float, default=None, help="valid for so many days")
    token.set_defaults(run=_token)

    payment = commands.add_parser("payment", help="payments")
    payment_commands = payment.add_subparsers(required=True, metavar="command")
    sign = payment_commands.add_parser("sign", help="print a signed callback to try with curl")
    sign.add_argument("--user-id", required=True, type=int)
    sign.add_argument("--amount", required=True, help="as in 10.50")
    sign.add_argument("--transaction-id", default=None)
    sign.add_argument("--status", default="success")
    sign.add_argument("--scheme", choices=settings.SCHEMES, default="body")
    sign.add_argument("--body-only", action="store_true", help="print the body, not a curl line")
    sign.set_defaults(run=_sign)

    docs = commands.add_parser("docs", help="write the catalogue down: docs/events.md, events.d.ts")
    docs.set_defaults(run=_docs)
    return parser


def _settings() -> Config:
    """The settings for a command that is not the server: the demo's where they are used."""
    try:
        return settings.load()
    except ConfigError:
        return settings.load(demo=True)


def _serve(arguments: argparse.Namespace) -> None:
    config = settings.load()
    if arguments.workers is None:
        serve(config, minded_by=arguments.minded_by)
    else:
        workers.serve(config, arguments.workers)


@asynccontextmanager
async def _open_database(config: Config) -> AsyncIterator[Database]:
    if config.database_url is None:
        raise ConfigError("DATABASE_URL is not set.")
    db = Database(config.database_url, pool_size=2)
    await db.open()
    try:
        yield db
    finally:
        await db.close()


def _with_database(work: Callable[[Database, Config], Awaitable[None]]) -> None:
    """Run something on the migrated database: the configured one, or the embedded one.

    While the embedded server already runs, its running instance is used.
    """
    config = _settings()
    logs.configure(format=config.log_format, level="WARNING")

    async def run(dsn: str) -> None:
        async with _open_database(config.with_database(dsn)) as db:
            await work(db, config)

    with contextlib.ExitStack() as stack:
        try:
            dsn, _ = stack.enter_context(database(config))
            migrate.upgrade(dsn)
        except FolderInUse:
            dsn = EmbeddedPostgres(config.var_dir / "postgres").dsn()
        asyncio.run(run(dsn))


def _migrate(arguments: argparse.Namespace) -> None:
    config = _settings()
    logs.configure(format=config.log_format, level=config.log_level)
    with database(config) as (dsn, _):
        migrate.upgrade(dsn)
    print(f"The database is at revision {migrate.head()}.")


def _create_admin(arguments: argparse.Namespace) -> None:
    if arguments.password_stdin:
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = getpass.getpass("Password: ")
        if getpass.getpass("Once more: ") != password:
            raise ConfigError("The passwords differ.")
    if len(password) < 8:
        raise ConfigError("A password has at least 8 characters.")

    async def work(db: Database, config: Config) -> None:
        passwords = Passwords()
        password_hash = await passwords.hash(password)
        passwords.close()
        async with db.transaction() as tx:
            known = await accounts.find_by_name(tx, arguments.username)
            if known is None:
                member = await accounts.register(
                    tx, arguments.username, password_hash, role="admin"
                )
                print(f"{member.username} is an administrator (id {member.id}).")
            else:
                await accounts.set_role(tx, known.member.id, "admin", password_hash)
                print(f"{known.member.username} was a {known.member.role}, now an administrator.")

    _with_database(work)


def _token(arguments: argparse.Namespace) -> None:
    name = arguments.name if arguments.role == "service" else arguments.user
    if not name:
        raise ConfigError("Give --user NAME, or --role service --name NAME.")

    async def work(db: Database, config: Config) -> None:
        async with db.transaction() as tx:
            known = await accounts.find_by_name(tx, name)
            if known is None and arguments.role == "service":
                member = await accounts.register(tx, name, None, role="service")
            elif known is None:
                raise accounts.UserNotFound()
            else:
                member = known.member
            if arguments.role == "service" and member.role != "service":
                raise ConfigError(f"{name} is a {member.role}, not a service.")
        days = arguments.days or (365 if member.role == "service" else None)
        ttl = timedelta(days=days) if days else None
        token, expires_at = Tokens(config).issue(member.id, ttl=ttl)
        print(token)
        print(f"valid until {expires_at.isoformat()}", file=sys.stderr)

    _with_database(work)


def _sign(arguments: argparse.Namespace) -> None:
    config = _settings()
    now = datetime.now(UTC)
    transaction_id = arguments.transaction_id or f"try-{secrets.token_hex(6)}"
    fields = {
        "userId": str(arguments.user_id),
        "amount": arguments.amount,
        "status": arguments.status,
        "transactionId": transaction_id,
    }
    provider = next((p for p in config.providers if arguments.scheme in p.schemes), None)
    if provider is None:
        raise ConfigError(f"No payment provider signs with {arguments.scheme}.")
    secret = provider.secrets[0]
    headers = {"Content-Type": "application/json"}
    if arguments.scheme == "body":
        fields["timestamp"] = str(int(now.timestamp()))
        fields["signature"] = signatures.body_signature(secret, fields)
    body = _callback_json(fields)
    if arguments.scheme == "standard-webhooks":
        headers |= signatures.webhook_headers(secret, transaction_id, now, body)
    if arguments.body_only:
        print(body)
        return
    lines = [f"curl -X POST http://localhost:{config.port}/api/payment/callback"]
    lines += [f"  -H '{name}: {value}'" for name, value in headers.items()]
    print(" \\\n".join([*lines, f"  -d '{body}'"]))


def _callback_json(fields: dict[str, str]) -> str:
    """The callback's body, with the numbers exactly as they were signed."""
    numbers = ("userId", "amount", "timestamp")
    parts = (
        f"{json.dumps(name)}: {value if name in numbers else json.dumps(value)}"
        for name, value in fields.items()
    )
    return "{" + ", ".join(parts) + "}"


def _docs(arguments: argparse.Namespace) -> None:
    (_DOCS / "events.md").write_text(asyncapi.markdown())
    (CLIENT / "events.d.ts").write_text(typescript.declarations())
    print("docs/events.md and clients/javascript/events.d.ts are written.")
