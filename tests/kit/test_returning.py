"""Coming back: when, and what if the log does not reach back that far."""

import re
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from server.config import Config
from server.keys import DB
from tests.clients.proxy import Proxy
from tests.club import Club
from tests.kit.conftest import through
from tests.kit.kit import kit
from tests.kit.teller import Teller

_FORGET = "UPDATE event_log_head SET floor = head"


@pytest.mark.parametrize("transport", ["websocket", "polling", "updates"])
async def test_page_that_was_away_for_too_long_begins_anew_from_the_snapshot(
    club: Club, network: Proxy, transport: str
) -> None:
    teller = Teller(await club.person(has_password=False))
    async with kit(network.url, teller.player, transport=transport) as page:
        await page.is_online(transport)
        await teller.tells(1)
        await page.hears(f"balance:updated:{teller.player.id}")
        since = len(page.said)
        network.is_cut = True
        await network.hang_up()
        await page.is_down(since)

        await teller.tells(3)
        async with club.app[DB].transaction() as tx:
            await tx.execute(_FORGET)
        network.is_cut = False

        await page.is_online(transport, since)
        resync = await page.says(lambda line: "resync" in line, since)
        assert resync["resync"]["balance"] == 4
        await teller.tells(1)
        await page.hears(f"balance:updated:{teller.player.id}", 2)
        # What the snapshot holds is not told event by event, and what follows it is, once.
        heard = [data["balance"] for data in page.all(f"balance:updated:{teller.player.id}")]
        assert heard == [1, 5]


async def test_page_of_a_club_without_recovery_begins_anew_each_time_and_is_never_wrong(
    config: Config,
) -> None:
    async with Club.open(replace(config, recovery_enabled=False)) as club, through(club) as network:
        teller = Teller(await club.person(has_password=False))
        async with kit(network.url, teller.player) as page:
            await page.is_online("websocket")
            await teller.tells(2)
            for refused, via in ((b"/socket.io/", "updates"), (None, "websocket")):
                since = len(page.said)
                network.refuses, network.is_cut = refused, True
                await network.hang_up()
                await page.is_down(since)
                await teller.tells(2)
                network.is_cut = False
                await page.is_online(via, since)
                assert (await page.do("snapshot"))["balance"] == teller.told
                await teller.tells(1)
            await page.says(lambda line: (line.get("snapshot") or {}).get("balance") == 8)
            balances = [data["balance"] for data in page.all(f"balance:updated:{teller.player.id}")]
            assert balances == sorted(set(balances)), "nothing twice"
            assert page.count("resync") >= 3


async def test_page_obeys_a_server_that_says_when_to_come_back(config: Config) -> None:
    async with Club.open(config) as club:
        port = urlsplit(club.url).port
        page_is_open = kit(club.url, timing={"retry": [1, 2]})
        page = await page_is_open.__aenter__()
        await page.is_online("websocket")
        since = len(page.said)
    try:
        told = (await page.hears("server:draining"))["reconnectInMs"]
        down = await page.says(lambda line: line.get("state", {}).get("retryAt", 0) > 0, since)
        assert down["state"]["retryAt"] - down["at"] >= told * 0.9

        async with Club.open(replace(config, port=port)):
            await page.is_online("websocket", since)
    finally:
        await page_is_open.__aexit__(None, None, None)


@pytest.mark.parametrize(
    ("path", "transport"),
    [(b"/socket.io/", "polling"), (b"/api/", "updates"), (b"/", None)],
)
async def test_page_that_is_told_to_retry_after_some_seconds_waits_for_as_long(
    network: Proxy, path: bytes, transport: str | None
) -> None:
    async with kit(network.url, transport=transport, timing={"retry": [1, 2]}) as page:
        await page.is_online(transport or "websocket")
        since = len(page.said)
        network.refuses, network.refusal = path, "busy"
        await network.hang_up()
        told = await page.says(
            lambda line: line.get("state", {}).get("retryAt", 0) - line["at"] >= 1900, since
        )

        network.refuses = None
        up = await page.says(lambda line: line.get("state", {}).get("state") == "online", since)
        assert up["at"] - told["at"] >= 1900


async def test_page_that_is_told_to_retry_after_years_tries_again_within_minutes(
    network: Proxy,
) -> None:
    network.refuses, network.refusal = b"/", "closed for years"
    async with kit(network.url) as page:
        down = await page.says(
            lambda line: line.get("state", {}).get("retryAt", 0) - line["at"] >= 60_000
        )
        assert down["state"]["retryAt"] - down["at"] <= 400_000


async def test_waits_double_up_to_the_longest_and_no_two_pages_wait_alike() -> None:
    first, longest = 50, 400

    async def waits() -> list[float]:
        async with kit("http://127.0.0.1:1", timing={"retry": [first, longest]}) as page:

            def found() -> list[float]:
                states = [(line["at"], line["state"]) for line in page.said if "state" in line]
                return [state["retryAt"] - at for at, state in states if state["retryAt"]]

            await page.says(lambda _: len(found()) >= 6)
            return found()

    one, other = await waits(), await waits()
    for waited in (one, other):
        for n, wait in enumerate(waited):
            assert wait <= min(longest, first * 2**n)
    assert not set(one) & set(other)
    # Six draws between an eighth of it and eight times as much.
    assert max(one[3:] + other[3:]) > first


async def test_page_says_in_words_how_it_is_connected(network: Proxy) -> None:
    timing = {"retry": [1500, 1500], "offline": 3000}
    async with kit(network.url, timing=timing) as page:
        await page.says(lambda line: line.get("words") == "online via websocket")
        since = len(page.said)
        network.is_cut = True
        await network.hang_up()

        await page.says(
            lambda line: bool(re.fullmatch(r"reconnecting in [12] s", line.get("words", ""))), since
        )
        await page.says(lambda line: line.get("words") == "offline", since)

        network.is_cut = False
        await page.says(lambda line: line.get("words", "").startswith("online"), since)


async def test_page_hears_through_a_club_where_too_many_wait(config: Config) -> None:
    async with Club.open(replace(config, updates_max_waiting=0)) as club:
        teller = Teller(await club.person(has_password=False))
        async with kit(club.url, teller.player, transport="updates") as page:
            await page.is_online("updates")
            await teller.tells(2)
            await teller.all_heard(page)


async def test_page_finds_the_way_through_a_proxy_that_ends_what_takes_long(
    club: Club,
) -> None:
    teller = Teller(await club.person(has_password=False))
    async with (
        through(club) as network,
        kit(network.url, teller.player, transport="updates") as page,
    ):
        await page.is_online("updates")
        since = len(page.said)
        for _ in range(3):
            await teller.tells(1)
            await network.hang_up()
        await teller.all_heard(page)
        assert not any("state" in line for line in page.said[since:])
