"""A player opens a case, and everybody who should know hears of it once."""

from tests.club import Club, line


async def test_player_opens_a_case_and_hears_of_it_once(club: Club, door: str) -> None:
    player, stranger = await club.person(balance=100), await club.person()
    case = await club.create_case(price=30, items=[line("Headset", value=75, rarity="epic")])
    at_player, at_stranger = await player.comes(door), await stranger.comes(door)

    opened = await player.opens(case, clientSeed="mine")

    assert opened.status == 200
    assert opened["item"]["name"] == "Headset"
    assert opened["balance"] == 70
    assert await at_player.hears(f"balance:updated:{player.id}") == {"balance": 70}
    drop = await at_stranger.hears("drop:new")
    assert drop["item"]["name"] == "Headset"
    assert player.username not in str(drop)

    await club.tell_everybody()
    await at_player.hears("cases:updated", 2)
    await at_stranger.hears("cases:updated", 2)
    assert at_player.names() == [
        f"balance:updated:{player.id}",
        f"inventory:updated:{player.id}",
        "drop:new",
        "cases:updated",
        "cases:updated",
    ]
    assert at_stranger.names() == ["drop:new", "cases:updated", "cases:updated"]
    await player.leave()
    await stranger.leave()
