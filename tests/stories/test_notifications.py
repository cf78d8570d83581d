"""A member is told something, reads it on one device, and the other follows."""

from tests.club import Club
from tests.notices import listed, told


async def test_two_devices_show_one_list_and_follow_what_is_read(club: Club, door: str) -> None:
    player, stranger = await club.person(), await club.person()
    at_desk, at_stranger = await player.comes(door), await stranger.comes(door)
    on_phone = await player.comes("updates")

    await told(club, player, ("reply", {"dialogId": 7}, "dialog:7"))
    entry = await at_desk.hears("notification:new")
    assert await on_phone.hears("notification:new") == entry
    answer = await listed(player)
    assert answer["notifications"] == [entry]
    assert (await player.get("/api/me"))["unread"] == answer["unread"] == 1

    # The desk reads; then the phone says the same again, which is no news.
    for _ in range(2):
        await player.post("/api/notifications/read", {"upTo": entry["id"]})
    state = {"upTo": entry["id"], "unread": 0}
    assert await on_phone.hears("notification:read") == state
    assert await at_desk.hears("notification:read") == state
    assert (await player.get("/api/me"))["unread"] == 0

    await club.tell_everybody()
    for heard in (at_desk, on_phone, at_stranger):
        await heard.hears("cases:updated", 2)
    expected = ["notification:new", "notification:read", "cases:updated", "cases:updated"]
    assert at_desk.names() == on_phone.names() == expected
    assert at_stranger.names() == expected[2:]
    await player.leave()
    await stranger.leave()


async def test_with_polling_alone_the_badge_and_the_list_keep_up(club: Club) -> None:
    player = await club.person()
    first = await listed(player)
    etag, cursor = first.headers["ETag"], first["cursor"]
    assert (await listed(player, headers={"If-None-Match": etag})).status == 304

    await told(club, player, ("invitation", {"eventId": 1}, None))
    news = await listed(player, f"?after={cursor}", headers={"If-None-Match": etag})
    assert (news.status, news["unread"], len(news["notifications"])) == (200, 1, 1)
    assert (await listed(player, headers={"If-None-Match": etag})).status == 200
