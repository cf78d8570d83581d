"""`cyberhub demo` from its first start to its last: nothing is left behind and nothing is lost."""

import asyncio
import json
import shutil
import signal
import stat
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest
import socketio

from tests.process.server import STOP_S, Server, command, free_port


@pytest.fixture(scope="module")
def opened_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a demo that has run and was stopped; to be copied, not used."""
    var_dir = tmp_path_factory.mktemp("demo") / "var"
    with Server(var_dir) as server:
        server.ready()
        server.until(lambda: server.read() or "Ctrl-C" in server.output, "it says what to try")
        server.stop()
        (var_dir / "output.txt").write_text(server.output)
    return var_dir


@pytest.fixture
def var_dir(opened_once: Path, tmp_path: Path) -> Path:
    """A data folder of one's own with the demo in it; another making of it would cost seconds."""
    return Path(shutil.copytree(opened_once, tmp_path / "var", symlinks=True))


@pytest.fixture(scope="module")
def running(
    opened_once: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One running demo for what does not end it."""
    var_dir = tmp_path_factory.mktemp("running") / "var"
    with Server(shutil.copytree(opened_once, var_dir, symlinks=True)) as server:
        yield server.ready()
        server.stop()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_first_start_prints_address_and_accounts_and_keeps_them_private(opened_once: Path) -> None:
    output = (opened_once / "output.txt").read_text()
    accounts = json.loads((opened_once / "demo-accounts.json").read_text())
    secrets = json.loads((opened_once / "secrets.json").read_text())

    assert list(accounts) == ["admin", "staff", "player1", "player2"]
    for account in accounts.values():
        assert set(account) == {"username", "password"}
        assert account["username"] in output and account["password"] in output
    assert len({account["password"] for account in accounts.values()}) == 4
    assert set(secrets) == {"jwt_secret", "payment_secret"}
    assert all(len(secret.encode()) >= 32 for secret in secrets.values())
    assert not any(secret in output for secret in secrets.values())
    assert "http://localhost:" in output and "curl" in output
    assert mode(opened_once / "demo-accounts.json") == 0o600
    assert mode(opened_once / "secrets.json") == 0o600


def test_second_start_finds_accounts_and_money_again(var_dir: Path) -> None:
    before = (var_dir / "demo-accounts.json").read_bytes(), (var_dir / "secrets.json").read_bytes()
    with Server(var_dir) as server:
        server.ready()
        player, token = server.sign_in("player1")
        _, admin = server.sign_in("admin")
        rich = server.ask("GET", "/api/balance", token=token)[1]["balance"]
        body = {"userId": player, "amount": 12.34}
        assert server.ask("POST", "/api/admin/balance/add", body, admin)[0] == 200
        server.stop()

    with Server(var_dir) as again:
        again.ready()
        # The secret is the same, so the token of before is too.
        status, answer = again.ask("GET", "/api/balance", token=token)
        assert (status, answer["balance"]) == (200, round(rich + 12.34, 2))
        again.stop()
    after = (var_dir / "demo-accounts.json").read_bytes(), (var_dir / "secrets.json").read_bytes()
    assert after == before and rich > 0


def _sets(event: asyncio.Event) -> Callable[..., Awaitable[None]]:
    """A hook of aiohttp's client that sets the event."""

    async def hook(*_: object) -> None:
        event.set()

    return hook


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
async def test_signal_ends_server_and_database_while_clients_are_there(
    var_dir: Path, number: signal.Signals
) -> None:
    with Server(var_dir) as server:
        await asyncio.to_thread(server.ready)
        _, token = server.sign_in("player1")
        clients = [socketio.AsyncClient(reconnection=False) for _ in range(2)]
        left: asyncio.Queue[str] = asyncio.Queue()
        for client, transport in zip(clients, ("websocket", "polling"), strict=True):
            client.on("disconnect", left.put)
            await client.connect(server.url, transports=[transport], auth={"token": token})
        sent = asyncio.Event()
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_sets(sent))
        async with aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {token}"}, trace_configs=[trace]
        ) as http:
            async with http.get(f"{server.url}/api/updates") as now:
                after = (await now.json())["cursor"]
            sent.clear()
            poll = asyncio.create_task(
                http.get(f"{server.url}/api/updates", params={"after": after, "wait": "50"})
            )
            await sent.wait()
            assert server.ask("GET", "/health")[1]["clients"] == 2
            assert server.database_processes()

            took_s = await asyncio.to_thread(server.stop, number)

            # The waiting poll is answered, not cut: its client goes on from its cursor.
            async with await asyncio.wait_for(poll, STOP_S) as answer:
                body = await answer.json()
                assert (answer.status, body.get("cursor", body.get("code"))) in (
                    (200, after),
                    (503, "draining"),
                )
        assert took_s < STOP_S
        assert server.database_processes() == []
        for _ in clients:
            await asyncio.wait_for(left.get(), STOP_S)
        assert [line for line in server.log_lines() if line["level"] == "error"] == []


def test_kill_takes_the_database_along_and_loses_nothing_that_was_answered(var_dir: Path) -> None:
    with Server(var_dir) as server:
        server.ready()
        player, token = server.sign_in("player1")
        _, admin = server.sign_in("admin")
        cursor = server.ask("GET", "/api/me", token=token)[1]["cursor"]
        body = {"userId": player, "amount": 0.07}
        status, answer = server.ask("POST", "/api/admin/balance/add", body, admin)
        server.kill()

    with Server(var_dir) as again:
        again.ready()
        snapshot = again.ask("GET", "/api/me", token=token)[1]
        told = again.ask("GET", f"/api/updates?after={cursor}", token=token)[1]
        later = again.ask("GET", f"/api/updates?after={told['cursor']}", token=token)[1]

        assert (status, snapshot["balance"]) == (200, answer["balance"])
        assert told["resync"] is False
        assert [(event["event"], event["data"]) for event in told["events"]] == [
            (f"balance:updated:{player}", {"balance": answer["balance"]})
        ]
        assert later["events"] == []
        again.kill()
        # The kernel tells PostgreSQL of its parent's end; it needs a moment to leave.
        for pid in again.database_processes():
            subprocess.run(["tail", f"--pid={pid}", "-f", "/dev/null"], timeout=STOP_S, check=True)
        assert again.database_processes() == []


def test_two_demos_run_side_by_side_and_know_nothing_of_each_other(
    running: Server, var_dir: Path
) -> None:
    with Server(var_dir) as other:
        other.ready()
        player, token = other.sign_in("player1")
        name = f"only-here-{other.port}"
        account = {"username": name, "password": "correct horse"}
        assert other.ask("POST", "/api/auth/register", account)[0] == 200
        assert running.ask("POST", "/api/auth/login", account)[0] == 401
        assert other.database_processes() and running.database_processes()
        other.stop()
    assert running.status("/ready") == 200


def test_second_server_on_the_same_folder_is_refused_and_harms_nobody(running: Server) -> None:
    refused = command("demo", var_dir=running.var_dir, port=free_port())

    assert refused.returncode != 0
    assert "in use by another server" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert running.status("/ready") == 200 and running.sign_in("player1")


def test_second_server_on_the_same_port_is_refused_and_leaves_no_database(
    running: Server, var_dir: Path
) -> None:
    refused = command("demo", var_dir=var_dir, port=running.port)

    assert refused.returncode != 0
    assert str(running.port) in refused.stderr and "in use" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert Server(var_dir).database_processes() == []
    assert running.status("/ready") == 200


def make_admin(server: Server, name: str, password: str) -> "subprocess.CompletedProcess[str]":
    arguments = ("admin", "create", name, "--password-stdin")
    return command(*arguments, var_dir=server.var_dir, said=f"{password}\n")


def test_admin_is_made_beside_the_running_demo(running: Server) -> None:
    made = make_admin(running, "chief", "a passphrase")

    assert (made.returncode, "chief" in made.stdout) == (0, True), made.stderr
    assert "a passphrase" not in made.stdout + made.stderr

    account = {"username": "chief", "password": "a passphrase"}
    status, answer = running.ask("POST", "/api/auth/login", account)
    assert (status, answer["user"]["role"]) == (200, "admin")
    assert running.ask("GET", "/api/admin/users", token=answer["token"])[0] == 200


def test_password_that_is_too_short_makes_no_admin(running: Server) -> None:
    refused = make_admin(running, "weak", "1234")

    assert refused.returncode != 0 and "8" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_token_is_printed_for_a_member_and_for_a_service(running: Server) -> None:
    printed = command("token", "--user", "player1", var_dir=running.var_dir)
    service = command("token", "--role", "service", "--name", "reactor", var_dir=running.var_dir)
    nobody = command("token", "--user", "nobody-here", var_dir=running.var_dir)

    assert (printed.returncode, service.returncode, nobody.returncode) == (0, 0, 1)
    status, answer = running.ask("GET", "/api/me", token=printed.stdout.strip())
    assert (status, answer["user"]["username"]) == (200, "player1")
    assert len(service.stdout.split()) == 1 and "Traceback" not in nobody.stderr
