"""What moves money, when the network does not: done once, or waiting, or refused."""

import pytest

from tests.clients.proxy import Proxy
from tests.club import Club, Person, line, until
from tests.kit.kit import Kit, Refused, kit

CLAIM = "/api/inventory/claim"


async def winner(club: Club, prizes: int = 1) -> tuple[Person, list[int]]:
    """Somebody with so many prizes of 75 each and no money, and the prizes' numbers."""
    player = await club.person(balance=10 * prizes, has_password=False)
    case = await club.create_case(price=10, items=[line("Headset", value=75)])
    return player, [(await player.opens(case))["inventoryId"] for _ in range(prizes)]


async def goes_away(network: Proxy, page: Kit) -> int:
    """Cut the network; how many lines the page had said before."""
    since = len(page.said)
    network.is_cut = True
    await network.hang_up()
    await page.is_down(since)
    return since


async def test_claims_made_offline_wait_and_are_done_once_when_the_network_is_back(
    club: Club, network: Proxy
) -> None:
    player, prizes = await winner(club, 2)
    async with kit(network.url, player) as page:
        await page.is_online("websocket")
        since = await goes_away(network, page)

        for prize in prizes:
            answer = await page.do("money", CLAIM, {"inventoryId": prize}, {"queue": True})
            assert answer["queued"] is True
        waiting = await page.do("queued")
        assert [each["body"]["inventoryId"] for each in waiting] == prizes
        assert await player.balance() == 0

        network.is_cut = False
        await page.is_online("websocket", since)
        await page.says(lambda each: each.get("queue", {}).get("answer", {}).get("balance") == 150)
        assert page.count("queue") == 2
        assert await page.do("queued") == []
        assert await player.balance() == 150


async def test_claim_whose_answer_was_lost_is_asked_again_and_done_once(
    club: Club, network: Proxy
) -> None:
    player, [prize] = await winner(club)
    async with kit(network.url, player) as page:
        await page.is_online("websocket")
        network.keeps_answers_to = CLAIM.encode()
        await page.do("money", CLAIM, {"inventoryId": prize}, {"queue": True})

        assert await player.balance() == 75
        assert network.kept_answers == 1


async def test_claim_that_only_the_sign_in_page_of_a_network_answered_waits(
    club: Club, network: Proxy
) -> None:
    player, [prize] = await winner(club)
    async with kit(network.url, player) as page:
        await page.is_online("websocket")
        await goes_away(network, page)
        await page.do("money", CLAIM, {"inventoryId": prize}, {"queue": True})

        network.refuses, network.refusal, network.is_cut = b"/", "portal", False
        with pytest.raises(Refused) as refused:
            await page.do("get", "/api/balance")
        assert (refused.value.status, page.count("queue")) == (0, 0)
        network.refuses = None

        await page.says(lambda each: each.get("queue", {}).get("answer", {}).get("balance") == 75)
        assert await player.balance() == 75


async def test_what_is_not_to_be_queued_is_refused_when_nobody_answers(
    club: Club, network: Proxy
) -> None:
    player, [prize] = await winner(club)
    async with kit(network.url, player, timing={"request": 500}) as page:
        await page.is_online("websocket")
        network.is_cut = True
        await network.hang_up()

        with pytest.raises(Refused) as refused:
            await page.do("money", CLAIM, {"inventoryId": prize})

        assert (refused.value.status, await page.do("queued")) == (0, [])


async def test_queued_action_that_the_club_refuses_is_told_and_waits_no_more(
    club: Club, network: Proxy
) -> None:
    player, [prize] = await winner(club)
    async with kit(network.url, player) as page:
        await page.is_online("websocket")
        await goes_away(network, page)
        await page.do("money", CLAIM, {"inventoryId": prize}, {"queue": True})
        staff = await club.admin()
        issued = await staff.call("PUT", f"/api/inventory/{prize}/status", {"status": "issued"})
        assert issued.status == 200

        network.is_cut = False
        told = await page.says(lambda each: "queue" in each)

        assert told["queue"]["error"]["code"] == "item_not_available"
        assert await page.do("queued") == []
        assert await player.balance() == 0


async def test_queue_is_bounded_in_number_and_in_age(club: Club, network: Proxy) -> None:
    player, [prize] = await winner(club)
    async with kit(network.url, player, queue={"limit": 1, "maxAgeMs": 1}) as page:
        await page.is_online("websocket")
        await goes_away(network, page)
        await page.do("money", CLAIM, {"inventoryId": prize}, {"queue": True})
        with pytest.raises(Refused) as refused:
            await page.do("money", CLAIM, {"inventoryId": prize}, {"queue": True})
        assert refused.value.code == "queue_full"

        network.is_cut = False
        told = await page.says(lambda each: "queue" in each)

        assert told["queue"]["error"]["code"] == "queue_expired"
        assert (await page.do("queued"), await player.balance()) == ([], 0)


async def test_member_who_signs_out_takes_the_queue_along(club: Club, network: Proxy) -> None:
    player, [prize] = await winner(club)
    async with kit(network.url, player) as page:
        await page.is_online("websocket")
        session = await page.do("session")
        since = await goes_away(network, page)
        await page.do("money", CLAIM, {"inventoryId": prize}, {"queue": True})

        await page.do("signOut")
        network.is_cut = False
        await page.is_online("websocket", since)
        await page.do("setSession", session)

        async def back() -> bool:
            return bool(await page.do("snapshot"))

        await until(back, "the member is back")
        assert await page.do("queued") == []
        assert await player.balance() == 0
