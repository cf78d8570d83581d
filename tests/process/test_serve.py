"""The server on a database that it is given: what it needs to start, and what it logs."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import socketio

from server.embedded_postgres import EmbeddedPostgres
from tests.club import PATIENCE_S
from tests.conftest import JWT_SECRET, PAYMENT_SECRET, database_of
from tests.process.server import REPOSITORY, Server, command, free_port

SECRETS = {"jwt_secret": JWT_SECRET, "payment_secret": PAYMENT_SECRET}


@pytest.fixture
async def empty(postgres: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    """A database for this test alone: migrated, and without accounts."""
    async with database_of(postgres, template, "serve") as dsn:
        yield dsn


async def test_demo_on_a_given_database_embeds_nothing_and_fills_it_only_once(
    empty: str, tmp_path: Path
) -> None:
    with Server(tmp_path / "one", database_url=empty) as server:
        server.ready()
        _, token = server.sign_in("player1")
        assert not (server.var_dir / "postgres").exists()
        server.stop()

    with Server(tmp_path / "two", database_url=empty, **SECRETS) as other:
        other.ready()
        assert not (other.var_dir / "demo-accounts.json").exists()
        other.until(lambda: other.read() or "added nothing" in other.output, "it says so")
        other.stop()
        assert not (other.var_dir / "postgres").exists()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "JWT_SECRET"),
        ({"jwt_secret": JWT_SECRET}, "PAYMENT_SECRET"),
        (SECRETS | {"jwt_secret": "x" * 31}, "JWT_SECRET"),
        (SECRETS | {"payment_secret": "y" * 31}, "payment secret"),
    ],
    ids=["no token secret", "no payment secret", "short token secret", "short payment secret"],
)
def test_serve_without_good_secrets_refuses_and_names_the_setting(
    tmp_path: Path, settings: dict[str, str], named: str
) -> None:
    refused = command("serve", var_dir=tmp_path, port=free_port(), **settings)

    assert refused.returncode != 0
    assert named in refused.stderr and "Traceback" not in refused.stderr
    # No secret is shown, and nothing is made before the settings are known to be good.
    assert not any(secret in refused.stderr for secret in settings.values())
    assert list(tmp_path.iterdir()) == []


async def test_log_tells_an_operator_who_came_what_was_told_and_what_was_refused(
    empty: str, tmp_path: Path
) -> None:
    with Server(tmp_path / "var", database_url=empty) as server:
        server.ready()
        player, token = server.sign_in("player1")
        _, admin = server.sign_in("admin")
        client, stranger = [socketio.AsyncClient(reconnection=False) for _ in range(2)]
        await client.connect(server.url, transports=["websocket"], auth={"token": token})
        with pytest.raises(socketio.exceptions.ConnectionError):
            await stranger.connect(server.url, transports=["websocket"], auth={"token": "nope"})
        body = {"userId": player, "token": token}
        assert (await client.call("user:identify", body, timeout=PATIENCE_S))["success"]
        case = {"name": "Box", "price": 5, "items": [PRIZE]}
        assert server.ask("POST", "/api/admin/cases", case, admin)[0] == 201
        _, forged = server.ask("POST", "/api/payment/callback", FORGED)
        wrong = server.accounts()["player1"] | {"password": "guessed wrong"}
        assert server.ask("POST", "/api/auth/login", wrong)[0] == 401
        assert server.ask("GET", f"/api/updates?token={token}")[0] == 200
        told = server.until(lambda: find(server, event="emitted cases:updated to all, 1 socket"),
                            "the delivery is logged")  # fmt: skip
        await client.disconnect()
        gone = server.until(lambda: find(server, event="disconnected"), "the leave is logged")
        passwords = [account["password"] for account in server.accounts().values()]
        server.stop()

    assert told["level"] == "info"
    sid = find(server, event="connected")["sid"]
    assert find(server, event="connected") | {"member": player, "transport": "websocket"} == find(
        server, event="connected"
    )
    assert find(server, event="identified")["sid"] == sid
    assert find(server, event="identified")["request_id"]
    assert gone["sid"] == sid and gone["reason"] and gone["member"] == player
    assert find(server, event="connect refused")["code"] == "invalid_token"
    refused = find(server, event="payment callback refused")
    assert refused["request_id"] == forged["requestId"] and refused["level"] == "warning"
    assert find(server, event="POST /api/payment/callback 400")["request_id"] == forged["requestId"]
    # Every line is JSON, since nobody sits at a terminal.
    assert all(line.startswith("{") for line in server.log.splitlines()), server.log
    secrets = json.loads((server.var_dir / "secrets.json").read_text())
    for secret in [token, admin, *passwords, *secrets.values(), "guessed wrong", FORGED_WORD]:
        assert secret not in server.log


PRIZE = {"name": "Mug", "rarity": "common", "value": 5, "weight": 1}
FORGED_WORD = "ab" * 32
FORGED = {
    "userId": 1,
    "amount": 1,
    "status": "success",
    "transactionId": "t",
    "timestamp": 1,
    "signature": FORGED_WORD,
}


def find(server: Server, **what: Any) -> Any:
    """The first line of the log with these values, or None."""
    lines = server.log_lines()
    return next((line for line in lines if what.items() <= line.items()), None)


def test_server_takes_all_open_files_that_it_may_have() -> None:
    script = (
        "import resource as r; hard = r.getrlimit(r.RLIMIT_NOFILE)[1];"
        "r.setrlimit(r.RLIMIT_NOFILE, (64, hard));"
        "from server.serve import allow_open_files; allow_open_files();"
        "print(r.getrlimit(r.RLIMIT_NOFILE) == (hard, hard))"
    )
    said = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True)
    assert said.stdout.strip() == b"True", said.stderr
