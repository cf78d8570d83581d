"""Returns while something is wrong: a client that does not read, a database that is away."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from server.config import Config
from server.embedded_postgres import EmbeddedPostgres
from server.keys import RELAY, SIO
from tests.clients.page import RELEASES, Page
from tests.clients.wire import Wire
from tests.club import Club, until
from tests.conftest import make_config
from tests.engine.clients import WebSocketClient
from tests.realtime.chronicle import Chronicle
from tests.realtime.raw_page import RawPage, session
from tests.realtime.test_database_away import frozen, is_degraded, is_well

BOUND = 100_000


@pytest.fixture(scope="module")
async def own_postgres(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[EmbeddedPostgres]:
    """A PostgreSQL that may be hurt."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False)
    server.start()
    watch = asyncio.create_task(server.supervise())
    yield server
    watch.cancel()
    server.stop()


@pytest.fixture(scope="module")
def config(own_postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Config:
    engine = {"max_outgoing_bytes": BOUND, "max_http_buffer_size": BOUND}
    config = make_config(own_postgres.dsn(), tmp_path_factory.mktemp("var"), database_timeout_s=1.0)
    return replace(config, engine=config.engine | engine)


@pytest.fixture(scope="module")
async def chronicle(club: Club, config: Config) -> AsyncIterator[Chronicle]:
    assert config.database_url is not None
    async with Chronicle.open(config.database_url) as running:
        yield running


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_client_that_reads_nothing_for_long_is_sent_no_more_than_it_takes(
    club: Club, chronicle: Chronicle, transport: str
) -> None:
    eio = club.app[SIO].eio
    mine = RawPage()
    await mine.come(club)
    await mine.go()
    begin = await chronicle.number()
    # Fifty megabytes, of which two kernels keep some.
    await chronicle.number_silently(10_000, 5_000)
    club.app[RELAY].ring()
    await club.settled()
    client = await session(club, transport)
    socket = eio.sockets[client.sid]
    if isinstance(client, WebSocketClient):
        client.websocket.http.stop_reading()
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, socket._transport.buffered)
            await asyncio.sleep(0)

    async def is_stuck() -> bool:
        return bool(socket.write is None and socket._transport.buffered)

    watching = asyncio.create_task(watch())
    await client.send(f'40{{"pid":"{mine.pid}"}}')
    await until(is_stuck, "the client is behind")
    last = await chronicle.tell(100)
    await club.settled()

    if isinstance(client, WebSocketClient):
        client.websocket.http.read_again()
    heard: list[str] = []
    is_in: int | None = None
    while is_in is None or heard[-1] != last:
        packet = await client.receive()
        assert isinstance(packet, str)
        if packet.startswith("40"):
            assert json.loads(packet[2:])["pid"] == mine.pid
            is_in = len(heard)
        else:
            heard.append(json.loads(packet[2:])[-1])
    watching.cancel()
    await client.close()

    assert heard == [event[-1] for event in await chronicle.due(begin)]
    assert is_in is not None and is_in >= 10_000
    assert most < BOUND
    assert eio.counters.slow_closed == 0


async def test_pages_that_return_while_the_database_is_away_come_until_it_is_back(
    club: Club, chronicle: Chronicle, own_postgres: EmbeddedPostgres
) -> None:
    begin = await chronicle.number()
    await club.settled()
    person = await club.person(has_password=False)
    async with Wire.open(int(club.url.rpartition(":")[2])) as wire:
        async with (
            Page.open(RELEASES["4.8"], wire.url, auth={"token": person.token}) as page,
            Page.open(RELEASES["4.7"], wire.url, transports=["websocket"]) as anonymous,
        ):
            await page.connected()
            await anonymous.connected()
            wire.is_up = False
            wire.cut()
            await page.until(lambda: page.all("disconnected"))
            await chronicle.tell(50, person.id)
            await club.settled()
            async with frozen(own_postgres):
                await until(lambda: is_degraded(club), "the database is away")
                tried = wire.connections
                wire.is_up = True

                async def come_in_vain() -> bool:
                    return wire.connections > tried + 6

                await until(come_in_vain, "the pages have tried in vain")
                assert len(page.all("connected")) == len(anonymous.all("connected")) == 1
            await until(lambda: is_well(club), "the database is back")
            again = await page.connected(2), await anonymous.connected(2)
            last = await chronicle.tell(1)
            await page.hears(last)
            await anonymous.hears(last)

            assert [each["recovered"] for each in again] == [True, True]
            assert page.events == await chronicle.due(begin, person.id)
            assert anonymous.events == await chronicle.due(begin)
            # Not refused, which would end their attempts.
            assert not [line for line in page.history + anonymous.history if line.get("data")]
