"""A day in the club: what admin, staff and provider do is heard by those it concerns, once."""

import json
import time
from typing import Any

from server.club.signatures import body_signature
from tests.club import Club, Person, line
from tests.conftest import PAYMENT_SECRET

END = "cases:updated"


async def heard_before_the_end(
    club: Club, *people: Person, edits: int = 0
) -> list[list[tuple[str, Any]]]:
    """What each one's only door has heard, once all have heard an end mark after it.

    The mark is two changes of the cases, after the `edits` that the story itself made.
    """
    doors = [person.doors[0] for person in people]
    await club.tell_everybody()
    for door in doors:
        await door.hears(END, edits + 2)
        assert door.names()[-2:] == [END] * 2
    return [door.heard[:-2] for door in doors]


async def leave(*people: Person) -> None:
    for person in people:
        await person.leave()


async def test_admin_edits_a_case_and_everybody_hears_of_each_step(club: Club, door: str) -> None:
    admin, player, staff = await club.admin(), await club.person(), await club.person(role="staff")
    await player.comes(door)
    await staff.comes(door)
    body = {"name": "Night", "price": 50, "items": [line("Mug", weight=1), line("Cap", weight=3)]}

    made = await admin.post("/api/admin/cases", body)
    path = f"/api/admin/cases/{made['case']['id']}"
    changed = await admin.call("PUT", path, body | {"name": "Late night"})
    dearer = await admin.call("PUT", f"{path}/price", {"price": 60.5})
    refilled = await admin.call("PATCH", f"{path}/items", {"items": [line("Pen")]})

    assert [a.status for a in (made, changed, dearer, refilled)] == [201, 200, 200, 200]
    seen = await player.get(f"/api/cases/{made['case']['id']}")
    assert (seen["case"]["name"], seen["case"]["price"]) == ("Late night", 60.5)
    assert [(i["name"], i["chance"]) for i in seen["case"]["items"]] == [("Pen", 1)]

    assert (await admin.call("DELETE", path)).status == 200
    assert (await player.get(f"/api/cases/{made['case']['id']}")).status == 404
    for heard in await heard_before_the_end(club, player, staff, edits=5):
        assert heard == [(END, None)] * 5
    await leave(player, staff)


async def test_refused_edit_is_told_to_nobody(club: Club, door: str) -> None:
    admin, player = await club.admin(), await club.person()
    await player.comes(door)

    empty = await admin.post("/api/admin/cases", {"name": "Empty", "price": 5, "items": []})
    mine = {"name": "Mine", "price": 5, "items": [line()]}
    stranger = await player.post("/api/admin/cases", mine)
    missing = await admin.call("DELETE", "/api/admin/cases/999999")

    assert [a.status for a in (empty, stranger, missing)] == [400, 403, 404]
    assert await heard_before_the_end(club, player) == [[]]
    await leave(player)


async def test_admin_gives_and_takes_money_and_only_that_member_hears(
    club: Club, door: str
) -> None:
    admin = await club.admin()
    player, other, staff = await club.person(), await club.person(), await club.person(role="staff")
    for person in (player, other, staff):
        await person.comes(door)

    given = await admin.post("/api/admin/balance/add", {"userId": player.id, "amount": 100.25})
    taken = await admin.post("/api/admin/balance/subtract", {"userId": player.id, "amount": 0.5})
    too_much = await admin.post("/api/admin/balance/subtract", {"userId": player.id, "amount": 500})

    assert (given["balance"], taken["balance"]) == (100.25, 99.75)
    assert (too_much.status, too_much["code"]) == (400, "insufficient_balance")
    name = f"balance:updated:{player.id}"
    assert await heard_before_the_end(club, player, other, staff) == [
        [(name, {"balance": 100.25}), (name, {"balance": 99.75})],
        [],
        [],
    ]
    await leave(player, other, staff)


async def test_signed_callback_tops_up_once_however_often_it_comes(club: Club, door: str) -> None:
    player, other = await club.person(), await club.person()
    await player.comes(door)
    await other.comes(door)
    asked = await player.post("/api/payment/create", {"amount": 250.5})
    callback = {
        "userId": str(player.id),
        "amount": "250.50",
        "status": "success",
        "transactionId": str(asked["payment"]["id"]),
        "timestamp": str(int(time.time())),
    }
    signature = body_signature(PAYMENT_SECRET, callback)
    numbers = f'"amount": 250.50, "timestamp": {callback["timestamp"]}'
    texts = json.dumps(
        {k: callback[k] for k in ("userId", "status", "transactionId")} | {"signature": signature}
    )
    raw = texts[:-1] + ", " + numbers + "}"

    forged = raw.replace(f'"userId": "{player.id}"', f'"userId": "{other.id}"')
    refused = await club.call("POST", "/api/payment/callback", raw=forged)
    answers = [await club.call("POST", "/api/payment/callback", raw=raw) for _ in range(3)]

    assert (refused.status, refused["code"]) == (400, "invalid_signature")
    assert [(a.status, a.body) for a in answers] == [(200, {"success": True})] * 3
    assert await player.balance() == 250.5
    (notice,) = (await player.get("/api/notifications"))["notifications"]
    assert (notice["kind"], notice["data"]) == ("payment", {"amount": 250.5})
    assert await heard_before_the_end(club, player, other) == [
        [
            (f"balance:updated:{player.id}", {"balance": 250.5}),
            ("notification:new", notice),
        ],
        [],
    ]
    await leave(player, other)


async def test_player_claims_a_prize_once_and_hears_of_money_and_inventory(
    club: Club, door: str
) -> None:
    player = await club.person(balance=10)
    case = await club.create_case(price=10, items=[line("Headset", value=75)])
    prize = (await player.opens(case))["inventoryId"]
    await player.comes(door)

    claimed = await player.post("/api/inventory/claim", {"inventoryId": prize})
    again = await player.post("/api/inventory/claim", {"inventoryId": prize})

    assert (claimed.status, claimed["balance"]) == (200, 75)
    assert again.status == 400
    items = (await player.get("/api/inventory"))["items"]
    assert [(i["id"], i["status"]) for i in items] == [(prize, "claimed")]
    assert await heard_before_the_end(club, player) == [
        [
            (f"balance:updated:{player.id}", {"balance": 75}),
            (f"inventory:updated:{player.id}", None),
        ]
    ]
    await leave(player)


async def test_staff_issue_a_prize_and_its_owner_hears(club: Club, door: str) -> None:
    staff, player, other = (
        await club.person(role="staff"),
        await club.person(balance=10),
        await club.person(),
    )
    case = await club.create_case(price=10, items=[line("Headset", value=75)])
    path = f"/api/inventory/{(await player.opens(case))['inventoryId']}/status"
    for person in (staff, player, other):
        await person.comes(door)

    by_player = await player.call("PUT", path, {"status": "issued"})
    as_claimed = await staff.call("PUT", path, {"status": "claimed"})
    issued = await staff.call("PUT", path, {"status": "issued"})
    back = await staff.call("PUT", path, {"status": "cancelled"})

    assert [a.status for a in (by_player, as_claimed, issued, back)] == [403, 400, 200, 400]
    assert issued["item"]["status"] == "issued"
    assert await player.balance() == 0
    assert await heard_before_the_end(club, staff, player, other) == [
        [],
        [(f"inventory:updated:{player.id}", None)],
        [],
    ]
    await leave(staff, player, other)
