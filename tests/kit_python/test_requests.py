"""What moves money, when the network does not: done once, or waiting, or refused."""

import asyncio
from decimal import Decimal

import pytest

from cyberhub_client import ApiError, Timing
from tests.clients.proxy import Proxy
from tests.club import Club, Person, line
from tests.kit_python.bot import Bot, bot

CLAIM = "/api/inventory/claim"


async def winner(club: Club, prizes: int = 1) -> tuple[Person, list[int]]:
    """Somebody with so many prizes of 75 each and no money, and the prizes' numbers."""
    player = await club.person(balance=10 * prizes, has_password=False)
    case = await club.create_case(price=10, items=[line("Headset", value=75)])
    return player, [(await player.opens(case))["inventoryId"] for _ in range(prizes)]


async def goes_away(network: Proxy, player: Bot) -> int:
    """Cut the network; how many states there were before."""
    since = len(player.states)
    network.is_cut = True
    await network.hang_up()
    await player.is_down(since)
    return since


async def test_bot_opens_a_case_and_asks_where_to_pay(club: Club) -> None:
    person = await club.person(balance=10, has_password=False)
    case = await club.create_case(price=10, items=[line("Headset", value=75)])
    async with bot(club.url, person) as player:
        opened = await player.client.open_case(case["id"], client_seed="lucky", key="first")
        again = await player.client.open_case(case["id"], client_seed="lucky", key="first")
        assert opened["item"]["name"] == "Headset"
        assert again == opened
        assert (await player.client.claim(opened["inventoryId"]))["balance"] == 75
        payment = (await player.client.topup(Decimal("10.50")))["payment"]
        assert (payment["amount"], payment["status"]) == (10.5, "pending")
        with pytest.raises(ApiError) as refused:
            await player.client.claim(opened["inventoryId"])
        assert refused.value.status == 400


async def test_claim_whose_answer_was_lost_is_asked_again_and_done_once(
    club: Club, network: Proxy
) -> None:
    person, [prize] = await winner(club)
    async with bot(network.url, person) as player:
        network.keeps_answers_to = CLAIM.encode()
        answer = await player.client.claim(prize)

        assert answer["balance"] == await person.balance() == 75
        assert network.kept_answers == 1


async def test_claims_made_offline_wait_and_are_done_once_and_in_turn(
    club: Club, network: Proxy
) -> None:
    person, prizes = await winner(club, 3)
    async with bot(network.url, person) as player:
        await player.is_online("websocket")
        await goes_away(network, player)
        claims = [
            asyncio.create_task(player.client.claim(prize, queue=True)) for prize in prizes
        ]
        await asyncio.wait(claims, timeout=0.3)
        assert not any(claim.done() for claim in claims)
        assert await person.balance() == 0

        # The first one is carried out, and its answer gets lost.
        network.keeps_answers_to = CLAIM.encode()
        network.is_cut = False
        balances = [answer["balance"] for answer in await asyncio.gather(*claims)]
        assert balances == [75, 150, 225]
        assert network.kept_answers == 1


async def test_what_is_not_to_be_queued_is_refused_when_nobody_answers(
    club: Club, network: Proxy
) -> None:
    person, [prize] = await winner(club)
    async with bot(network.url, person, timing=Timing(request=0.5)) as player:
        await player.is_online("websocket")
        await goes_away(network, player)
        with pytest.raises(ApiError) as refused:
            await player.client.claim(prize)
        assert (refused.value.status, refused.value.code) == (0, "network")
        network.is_cut = False
    assert await person.balance() == 0


async def test_queued_claim_that_the_club_refuses_is_told_and_waits_no_more(
    club: Club, network: Proxy
) -> None:
    person, [prize] = await winner(club)
    async with bot(network.url, person) as player:
        await player.is_online("websocket")
        await goes_away(network, player)
        claims = [asyncio.create_task(player.client.claim(prize, queue=True)) for _ in "ab"]
        network.is_cut = False
        first, second = await asyncio.gather(*claims, return_exceptions=True)
        assert first == {"success": True, "balance": 75}
        assert isinstance(second, ApiError) and second.status == 400


async def test_what_waits_when_the_bot_leaves_is_dropped_and_said_so(
    club: Club, network: Proxy
) -> None:
    person, [prize] = await winner(club)
    async with bot(network.url, person) as player:
        await player.is_online("websocket")
        await goes_away(network, player)
        claim = asyncio.create_task(player.client.claim(prize, queue=True))
        await asyncio.wait((claim,), timeout=0.1)
    with pytest.raises(ApiError) as dropped:
        await claim
    assert dropped.value.code == "queue_dropped"


async def test_commands_are_acked_over_a_socket_and_need_one(club: Club) -> None:
    person = await club.person(has_password=False)
    async with bot(club.url, person) as player:
        await player.is_online("websocket")
        assert (await player.client.emit("ping"))["success"] is True
        with pytest.raises(ApiError) as refused:
            await player.client.emit("no:such:command")
        assert refused.value.code == "unknown_event"
    async with bot(club.url, person, transport="updates") as player:
        await player.is_online("updates")
        with pytest.raises(ApiError) as refused:
            await player.client.emit("ping")
        assert refused.value.code == "no_socket"


async def test_requests_raise_what_the_club_says(club: Club) -> None:
    person = await club.person(has_password=False)
    async with bot(club.url, person) as player:
        assert (await player.client.get("/api/balance"))["balance"] == 0
        with pytest.raises(ApiError) as refused:
            await player.client.post(CLAIM, {"inventoryId": "x"})
        assert (refused.value.status, refused.value.code) == (400, "validation_failed")
        assert "inventoryId" in refused.value.fields
