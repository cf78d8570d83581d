"""`cyberhub serve --workers N`: several processes, and one that minds them."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import socketio

from tests.club import until
from tests.conftest import JWT_SECRET, PAYMENT_SECRET
from tests.process.nginx import nginx
from tests.process.server import Server, command
from tests.process.serving import member


def free_ports(count: int) -> int:
    """The first of so many free ports in a row."""
    while True:
        with socket.socket() as first:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
        if port + count < 65_536 and all(_is_free(port + more) for more in range(count)):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


class Crew(Server):
    """The process that minds the workers; each is asked at a port of its own."""

    count = 2

    def worker(self, number: int) -> Server:
        """A view on one worker, to be asked; its process is not ours."""
        view = Server(self.var_dir, port=self.port + number)
        view.process = self.process
        return view

    def ready(self) -> "Crew":
        for number in range(self.count):
            worker = self.worker(number)
            self.until(lambda: worker.status("/ready") == 200, "a worker is ready")
        return self

    def started(self) -> list[dict[str, Any]]:
        """What it has said of each start of a worker."""
        return [line for line in self.log_lines() if line["event"] == "worker started"]

    def pid(self, name: str) -> int:
        return int([line["pid"] for line in self.started() if line["worker"] == name][-1])


@contextmanager
def crew(dsn: str, var_dir: Path, **settings: object) -> Iterator[Crew]:
    with Crew(
        var_dir,
        "serve",
        "--workers",
        str(Crew.count),
        port=free_ports(Crew.count),
        host="127.0.0.1",
        database_url=dsn,
        jwt_secret=JWT_SECRET,
        payment_secret=PAYMENT_SECRET,
        log_format="json",
        **settings,
    ) as running:
        yield running.ready()


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_workers_serve_on_neighbouring_ports_and_end_together(
    dsn: str, tmp_path: Path
) -> None:
    id_, token = await member(dsn, "works")
    with crew(dsn, tmp_path / "one") as workers:
        doors = []
        for number, name in enumerate(("w1", "w2")):
            door = socketio.AsyncClient(reconnection=False)
            await door.connect(workers.worker(number).url, auth={"token": token})
            assert str(door.sid).startswith(f"{name}.")
            doors.append(door)
        pids = [workers.pid(name) for name in ("w1", "w2")]

        assert workers.stop() < 5
        assert [lives(pid) for pid in pids] == [False, False]
        for door in doors:
            await door.wait()


class Ear:
    """A client that comes back by itself, and the texts of the chat that it has heard."""

    def __init__(self, transport: str) -> None:
        self.texts: list[str] = []
        self.workers: list[str] = []
        self._transport = transport
        # Its own it would leave open when it comes back.
        self._http = aiohttp.ClientSession()
        self.client = socketio.AsyncClient(
            reconnection_delay=0.05, reconnection_delay_max=0.2, http_session=self._http
        )
        self.client.on("chat:message", lambda data: self.texts.append(data["text"]))
        self.client.on("connect", lambda: self.workers.append(str(self.client.sid)[:2]))

    async def open(self, url: str, token: str) -> None:
        await self.client.connect(url, transports=[self._transport], auth={"token": token})

    async def close(self) -> None:
        await self.client.disconnect()
        await self._http.close()


async def test_clients_behind_nginx_find_their_worker_and_another_one_when_it_dies(
    dsn: str, tmp_path: Path
) -> None:
    _, token = await member(dsn, "behind-nginx")
    with crew(dsn, tmp_path / "crew", trusted_proxies="127.0.0.1/32") as workers:
        with nginx(tmp_path / "nginx", [workers.port, workers.port + 1]) as port:
            club = Server(workers.var_dir, port=port)
            club.process = workers.process
            club.ready()
            ears = [Ear(transport) for transport in ("polling", "websocket") for _ in range(4)]
            for ear in ears:
                await ear.open(club.url, token)
            assert {ear.workers[0] for ear in ears} == {"w1", "w2"}

            async def all_hear(text: str) -> None:
                # In a thread: the loop has the clients to serve.
                said = await asyncio.to_thread(
                    club.ask, "POST", "/api/chat", {"text": text}, token
                )
                assert said[0] == 201

                async def heard() -> bool:
                    return all(text in ear.texts for ear in ears)

                await until(heard, f"everybody hears {text}")

            await all_hear("hello")
            os.kill(workers.pid("w1"), signal.SIGKILL)

            async def back() -> bool:
                return all(ear.client.connected for ear in ears) and all(
                    len(ear.workers) > 1 for ear in ears if ear.workers[0] == "w1"
                )

            await until(back, "whose worker has died is at the other one, or the new one")
            await all_hear("again")
            assert all(len(ear.workers) == 1 for ear in ears if ear.workers[0] == "w2")
            assert all(ear.texts.count("hello") == 1 for ear in ears)
            for ear in ears:
                await ear.close()
        workers.stop()


async def test_worker_that_dies_is_replaced_and_the_others_go_on(
    dsn: str, tmp_path: Path
) -> None:
    with crew(dsn, tmp_path / "one") as workers:
        first, second = workers.pid("w1"), workers.pid("w2")
        os.kill(first, signal.SIGKILL)

        workers.until(lambda: workers.pid("w1") != first, "another one is there")
        workers.ready()
        assert workers.pid("w2") == second and lives(second)
        died = [line for line in workers.log_lines() if line["event"] == "worker died"]
        assert [(line["worker"], line["code"]) for line in died] == [("w1", -signal.SIGKILL)]
        workers.stop()


async def test_hangup_replaces_one_after_another_and_somebody_always_answers(
    dsn: str, tmp_path: Path
) -> None:
    with crew(dsn, tmp_path / "one") as workers:
        old = [workers.pid(name) for name in ("w1", "w2")]
        views = [workers.worker(number) for number in range(2)]
        workers.process.send_signal(signal.SIGHUP)

        def replaced() -> bool:
            assert any(view.status("/ready") == 200 for view in views), "nobody answers"
            return any(line["event"] == "all workers are replaced" for line in workers.log_lines())

        workers.until(replaced, "all are replaced")
        new = [workers.pid(name) for name in ("w1", "w2")]
        assert not set(old) & set(new) and [lives(pid) for pid in old] == [False, False]
        assert [view.status("/ready") for view in views] == [200, 200]
        workers.stop()


async def test_workers_end_with_the_one_that_minds_them(dsn: str, tmp_path: Path) -> None:
    with crew(dsn, tmp_path / "one") as workers:
        pids = [workers.pid(name) for name in ("w1", "w2")]
        workers.kill()

        async def ended() -> bool:
            return not any(map(lives, pids))

        await until(ended, "the workers have ended")


def test_numbers_that_cannot_be_are_refused_in_words(tmp_path: Path) -> None:
    secrets = {"jwt_secret": JWT_SECRET, "payment_secret": PAYMENT_SECRET}
    for count, port in (("0", 3000), ("2", 65_535)):
        refused = command("serve", f"--workers={count}", var_dir=tmp_path, port=port, **secrets)
        assert refused.returncode == 1, (count, refused.stderr)
        assert "Traceback" not in refused.stderr and refused.stderr.startswith("cyberhub: ")
    assert not (tmp_path / "postgres").exists()
