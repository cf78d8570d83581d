"""How a bot's author hears: streams, listeners, the snapshot, and the place that is kept."""

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from cyberhub_client import Client, Event
from tests import notices
from tests.clients.proxy import Proxy
from tests.club import PATIENCE_S, Club, until
from tests.happenings import here, tell_all
from tests.kit_python.bot import TIMING, bot
from tests.kit_python.teller import Teller


async def balances(client: Client, count: int) -> list[float]:
    """So many, by a stream that is left then."""
    heard: list[float] = []
    async with asyncio.timeout(PATIENCE_S):
        async for event in client.events("balance:updated"):
            if event.name != "resync":
                heard.append(event.data["balance"])
            if len(heard) == count:
                break
    return heard


async def shows(client: Client, balance: float) -> None:
    """Wait until the snapshot does: the events until then have come."""

    async def is_shown() -> bool:
        return client.snapshot is not None and client.snapshot["balance"] == balance

    await until(is_shown, f"the balance is {balance}")


def quick(club: Club, teller: Teller, **options: Any) -> Client:
    return Client(club.url, token=teller.player.token, timing=TIMING, **options)


async def test_stream_that_is_left_and_taken_up_again_goes_on_where_it_was(
    club: Club, teller: Teller
) -> None:
    async with quick(club, teller) as client:
        await teller.tells(3)
        await shows(client, 0.03)
        assert await balances(client, 2) == [0.01, 0.02]
        await teller.tells(2)
        assert await balances(client, 3) == [0.03, 0.04, 0.05]


async def test_listeners_hear_by_name_by_kind_and_everything_one_after_another(
    club: Club, teller: Teller
) -> None:
    client = quick(club, teller)
    heard: list[tuple[str, Any]] = []
    over = asyncio.Event()

    async def slowly(event: Event) -> None:
        await asyncio.sleep(0)
        heard.append(("slowly", event.data["balance"]))

    def fails(event: Event) -> None:
        raise ValueError("a mistake of the author's")

    client.on("balance:updated", fails)
    client.on(f"balance:updated:{teller.player.id}", slowly)
    client.on("*", lambda event: heard.append((event.kind, (event.data or {}).get("balance"))))
    client.on("cases:updated", lambda event: over.set())
    async with client:
        await teller.tells(2)
        await tell_all(club)
        await asyncio.wait_for(over.wait(), PATIENCE_S)
        # The last listener of the last event.
        await asyncio.sleep(0)
    assert heard == [
        ("resync", 0),
        ("slowly", 0.01),
        ("balance:updated", 0.01),
        ("slowly", 0.02),
        ("balance:updated", 0.02),
        ("cases:updated", None),
    ]


async def test_snapshot_is_kept_true_by_the_events(club: Club) -> None:
    teller = Teller(await club.person(balance=10, has_password=False))
    case = await club.create_case(price=10)
    async with bot(club.url, teller.player) as player:
        shown: list[Any] = []
        told = asyncio.Event()

        def show(snapshot: Any) -> None:
            shown.append((snapshot["balance"], len(snapshot["inventory"])))
            told.set()

        player.client.on("snapshot", show)
        await teller.player.opens(case)
        async with asyncio.timeout(PATIENCE_S):
            while not shown or shown[-1] != (0, 1):
                told.clear()
                await told.wait()
        assert player.client.snapshot is not None


async def test_snapshot_counts_what_is_unread(club: Club) -> None:
    member = await club.person(has_password=False)
    async with bot(club.url, member) as player:

        async def counts(unread: int) -> None:
            async def does() -> bool:
                return player.client.snapshot is not None and (
                    player.client.snapshot["unread"] == unread
                )

            await until(does, f"{unread} are unread")

        await counts(0)
        await notices.told(club, member, ("reminder", {}, None), ("promoted", {}, None))
        await counts(2)
        # One that takes the place of another.
        for _ in range(2):
            await notices.told(club, member, ("reply", {"dialogId": 1}, "dialog:1"))
        await counts(3)
        newest = (await notices.listed(member))["notifications"][0]["id"]
        await member.post("/api/notifications/read", {"upTo": newest})
        await counts(0)


async def test_caller_who_is_slow_costs_a_bounded_amount_and_misses_nothing(
    club: Club, teller: Teller, network: Proxy
) -> None:
    client = Client(network.url, token=teller.player.token, timing=TIMING, backlog=10)
    waiting: list[int] = []
    async with client:
        stream = client.events()
        assert (await anext(stream)).name == "resync"
        await client.when_online()
        await teller.tells(60)
        await club.settled()
        heard = []
        async with asyncio.timeout(2 * PATIENCE_S):
            async for event in stream:
                heard.append(event.data["balance"])
                waiting.append(len(stream._reader.unread))
                await asyncio.sleep(0.005)
                if len(heard) == 60:
                    break
    assert heard == [number / 100 for number in range(1, 61)]
    assert max(waiting) <= 10


async def test_caller_who_comes_after_more_than_is_kept_begins_with_a_resync(
    club: Club, teller: Teller
) -> None:
    async with quick(club, teller, backlog=5) as client:
        await teller.tells(20)
        await shows(client, 0.2)
        stream = client.events()
        begin = await anext(stream)
        assert (begin.name, begin.data["balance"]) == ("resync", 0.2)
        await teller.tells(1)
        assert (await anext(stream)).data == {"balance": 0.21}


async def test_bot_goes_on_where_it_was_after_a_restart(
    club: Club, teller: Teller, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    async with quick(club, teller, state=place) as client:
        await teller.tells(2)
        assert await balances(client, 2) == [0.01, 0.02]
    await teller.tells(2)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert set(json.loads(place.read_text())) == {"cursor", "userId"}
    assert [path.name for path in tmp_path.iterdir()] == ["place"]

    with pytest.raises(ZeroDivisionError):
        async with quick(club, teller, state=place) as client:
            async for event in client.events():
                # No resync: it goes on.
                assert event.data == {"balance": 0.03}
                raise ZeroDivisionError("in the middle of dealing with it")
    async with quick(club, teller, state=place) as client:
        assert await balances(client, 2) == [0.03, 0.04]


async def test_place_of_another_member_is_not_gone_on_from(
    club: Club, teller: Teller, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    async with quick(club, teller, state=place) as client:
        await teller.tells(1)
        assert await balances(client, 1) == [0.01]
    other = Teller(await club.person(has_password=False))
    await other.tells(1)
    async with quick(club, other, state=place) as client:
        begin = await anext(client.events())
        assert (begin.name, begin.data["balance"]) == ("resync", 0.01)


async def test_file_that_holds_something_else_is_left_alone(
    club: Club, teller: Teller, tmp_path: Path
) -> None:
    place = tmp_path / "diary"
    place.write_text("Dear diary")
    with pytest.raises(ValueError, match="holds no place"):
        async with quick(club, teller, state=place):
            raise AssertionError("it was taken for a place")
    assert place.read_text() == "Dear diary"


async def test_caller_may_begin_from_a_cursor(club: Club, teller: Teller) -> None:
    since = await here(club)
    await teller.tells(3)
    async with quick(club, teller, since=since) as client:
        assert await balances(client, 3) == [0.01, 0.02, 0.03]


@pytest.mark.parametrize(
    "options",
    [{"url": "club.example"}, {"username": "anna"}, {"password": "x"}, {"transport": "pigeon"}],
)
def test_options_that_make_no_sense_are_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Client(**({"url": "http://127.0.0.1:1"} | options))


async def test_client_is_used_inside_of_async_with(club: Club) -> None:
    client = Client(club.url)
    with pytest.raises(RuntimeError):
        await client.get("/api/cases")
    async with client:
        pass
    with pytest.raises(RuntimeError):
        async with client:
            pass
