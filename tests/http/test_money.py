"""Money: its form on the wire, the ledger, corrections, claims, and keys that make a retry safe."""

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.club import Answer, Club, Person, line
from tests.http.conftest import somebody_waits

ADD = "/api/admin/balance/add"
SUBTRACT = "/api/admin/balance/subtract"


async def give(club: Club, person: Person, amount: str, path: str = ADD) -> Answer:
    """Correct a balance by an amount written exactly so."""
    admin = await club.admin()
    return await admin.post(path, raw=f'{{"userId": {person.id}, "amount": {amount}}}')


# --- the form of an amount -------------------------------------------------------------------


@pytest.mark.parametrize(
    "amount", ["0.01", "10", "10.5", "10.50", "10.0", "1234.56", "1000000000", "999999999.99"]
)
async def test_amount_is_taken_to_the_last_coin(club: Club, amount: str) -> None:
    member = await club.person(has_password=False)
    answer = await give(club, member, amount)
    assert (answer.status, answer.body.keys()) == (200, {"success", "balance"})
    assert Decimal(str(answer["balance"])) == Decimal(amount)
    assert await member.balance() == answer["balance"]


async def test_tenths_add_up_as_people_count(club: Club) -> None:
    member = await club.person(has_password=False)
    for amount in ("0.1", "0.2"):
        await give(club, member, amount)
    text = json.dumps(await member.balance())
    assert text == "0.3"


@pytest.mark.parametrize(
    "amount",
    [
        "1e2",
        "1E2",
        "1.0e1",
        "1.005",
        "0.001",
        "10.000",
        '"10"',
        '"10.50"',
        "true",
        "false",
        "null",
        "[10]",
        '{"amount": 10}',
        "0",
        "0.00",
        "-0.01",
        "-10",
        "-0",
        "1000000000.01",
        "1000000001",
        "1" * 100,
        "0." + "1" * 100,
    ],
)
async def test_amount_of_another_form_is_refused(
    club: Club, player: Person, amount: str
) -> None:
    for path in (ADD, SUBTRACT):
        refused = await give(club, player, amount, path)
        assert (refused.status, refused["code"]) == (400, "validation_failed"), refused.body
        assert refused["fields"].keys() == {"amount"}
    refused = await player.post("/api/payment/create", raw=f'{{"amount": {amount}}}')
    assert refused.status == 400
    assert await player.balance() == 100


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1", "0x10"])
async def test_amount_that_is_no_json_is_refused(club: Club, player: Person, amount: str) -> None:
    refused = await give(club, player, amount)
    assert (refused.status, refused["code"]) == (400, "malformed_json")
    assert await player.balance() == 100


async def test_great_fortune_is_told_to_the_last_coin(club: Club) -> None:
    member = await club.person(has_password=False)
    before = (await member.get("/api/updates"))["cursor"]
    for amount in ("1000000000", "1000000000", "0.37"):
        assert (await give(club, member, amount)).status == 200
    told = (await member.get(f"/api/updates?after={before}"))["events"]
    assert [event["data"]["balance"] for event in told] == [10**9, 2 * 10**9, 2000000000.37]


# --- corrections and the ledger --------------------------------------------------------------


async def test_subtracting_more_than_there_is_takes_nothing(club: Club, player: Person) -> None:
    refused = await give(club, player, "100.01", SUBTRACT)
    assert (refused.status, refused["code"]) == (400, "insufficient_balance")
    assert await player.balance() == 100

    assert (await give(club, player, "100", SUBTRACT))["balance"] == 0


@pytest.mark.parametrize("path", [ADD, SUBTRACT])
async def test_correcting_somebody_who_is_not_there_is_not_found(club: Club, path: str) -> None:
    admin = await club.admin()
    answer = await admin.post(path, {"userId": 2**53 - 1, "amount": 1})
    assert (answer.status, answer["code"]) == (404, "user_not_found")


@pytest.mark.parametrize("path", [ADD, SUBTRACT])
async def test_only_admins_correct(club: Club, player: Person, path: str) -> None:
    staff = await club.person(role="staff", has_password=False)
    body = {"userId": player.id, "amount": 1}
    assert (await club.call("POST", path, body)).status == 401
    assert (await player.post(path, body)).status == 403
    assert (await staff.post(path, body)).status == 403
    assert await player.balance() == 100


@pytest.mark.parametrize("user_id", [0, -1, 2**53, 1.0, "1", None, True, 10**30])
async def test_correction_for_an_odd_id_is_refused(club: Club, user_id: Any) -> None:
    admin = await club.admin()
    refused = await admin.post(ADD, {"userId": user_id, "amount": 1})
    assert (refused.status, refused["fields"].keys()) == (400, {"userId"})


async def test_balance_names_its_currency(player: Person) -> None:
    answer = await player.get("/api/balance")
    assert answer.body == {"success": True, "balance": 100, "currency": "RUB"}


async def test_every_movement_is_in_the_history_newest_first(club: Club, player: Person) -> None:
    case = await club.create_case(price=30.3, items=[line(value=5.05)])
    opened = await player.opens(case)
    await player.post("/api/inventory/claim", {"inventoryId": opened["inventoryId"]})
    admin = await club.admin()
    await admin.post(SUBTRACT, {"userId": player.id, "amount": 0.75, "reason": "Чай"})

    answer = await player.get("/api/transactions")

    assert answer.body.keys() == {"success", "transactions", "next"}
    assert answer["next"] is None
    rows = answer["transactions"]
    assert all(
        row.keys() == {"id", "amount", "kind", "reference", "balanceAfter", "at"} for row in rows
    )
    assert [(row["kind"], row["amount"], row["balanceAfter"]) for row in rows] == [
        ("admin_subtract", -0.75, 74),
        ("claim", 5.05, 74.75),
        ("open", -30.3, 69.7),
        ("admin_add", 100, 100),
    ]
    assert rows[0]["reference"].endswith("Чай")
    assert [row["id"] for row in rows] == sorted((row["id"] for row in rows), reverse=True)


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6, 7, 200])
async def test_history_read_page_by_page_is_whole(
    club: Club, paged: Person, limit: int
) -> None:
    whole = (await paged.get("/api/transactions"))["transactions"]
    read: list[Any] = []
    pages, query = 0, f"?limit={limit}"
    while True:
        page = await paged.get(f"/api/transactions{query}")
        read += page["transactions"]
        pages += 1
        if page["next"] is None:
            break
        query = f"?limit={limit}&before={page['next']}"
    assert len(whole) == 6
    assert read == whole
    assert pages == -(-6 // limit)


@pytest.fixture(scope="module")
async def paged(club: Club) -> Person:
    """Somebody with six lines in the ledger."""
    member = await club.person(has_password=False)
    for amount in range(1, 7):
        await give(club, member, str(amount))
    return member


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=-1", "limit=x", "limit=1.5", "before=0", f"before={2**53}"]
    + ["before=x", "limit=1e1", "limit=", "before=-1", "limit=" + "9" * 5000],
)
async def test_page_that_makes_no_sense_is_refused(player: Person, query: str) -> None:
    answer = await player.get(f"/api/transactions?{query}")
    assert (answer.status, answer["code"]) == (400, "validation_failed")


async def test_history_shows_nobody_elses_movements(club: Club, player: Person) -> None:
    other = await club.person(balance=7, has_password=False)
    seen = (await other.get("/api/transactions"))["transactions"]
    assert [row["amount"] for row in seen] == [7]


async def test_ledger_cannot_be_rewritten(player: Person, database: Any) -> None:
    for statement in ("UPDATE ledger SET amount_minor = 1", "DELETE FROM ledger"):
        with pytest.raises(Exception, match="append-only"):
            await database.execute(f"{statement} WHERE user_id = {player.id}")


# --- Idempotency-Key -------------------------------------------------------------------------


def key(value: str) -> dict[str, str]:
    return {"Idempotency-Key": value}


async def kept_keys(database: Any, person: Person) -> list[str]:
    rows = await database.fetch("SELECT key FROM idempotency WHERE user_id = $1", person.id)
    return [row["key"] for row in rows]


async def test_same_key_and_body_gets_the_first_answer_again(club: Club, player: Person) -> None:
    case = await club.create_case(price=10)
    body = {"caseId": case["id"]}
    first = await player.post("/api/cases/open", body, headers=key("k-1"))
    again = await player.post("/api/cases/open", body, headers=key("k-1"))

    assert (again.status, again.body) == (first.status, first.body) == (200, first.body)
    assert again.headers["Content-Type"] == first.headers["Content-Type"]
    assert len((await player.get("/api/inventory"))["items"]) == 1
    assert await player.balance() == 90


async def test_status_of_the_first_answer_is_repeated_too(player: Person, database: Any) -> None:
    first = await player.post("/api/payment/create", {"amount": 5}, headers=key("k"))
    again = await player.post("/api/payment/create", {"amount": 5}, headers=key("k"))
    assert (first.status, again.status) == (201, 201)
    assert again.body == first.body
    made = "SELECT count(*) FROM payments WHERE user_id = $1"
    assert await database.fetchval(made, player.id) == 1


async def test_same_key_in_parallel_moves_money_once(club: Club, player: Person) -> None:
    case = await club.create_case(price=10)
    answers = await asyncio.gather(
        *(
            player.post("/api/cases/open", {"caseId": case["id"]}, headers=key("parallel"))
            for _ in range(10)
        )
    )
    assert {answer.status for answer in answers} <= {200, 409}
    good = [answer.body for answer in answers if answer.status == 200]
    assert good and all(body == good[0] for body in good)
    assert await player.balance() == 90


async def test_same_key_with_another_body_is_refused(club: Club, player: Person) -> None:
    case, other = await club.create_case(price=10), await club.create_case(price=10)
    await player.post("/api/cases/open", {"caseId": case["id"]}, headers=key("reused"))
    refused = await player.post("/api/cases/open", {"caseId": other["id"]}, headers=key("reused"))
    assert (refused.status, refused["code"]) == (422, "idempotency_key_reused")
    assert await player.balance() == 90


async def test_same_key_while_the_first_is_in_progress_is_refused(
    club: Club, player: Person, database: Any
) -> None:
    case = await club.create_case(price=10)
    body = {"caseId": case["id"]}
    async with database.transaction():
        # The first request has its key and stands at the member's row.
        await database.execute("SELECT FROM users WHERE id = $1 FOR UPDATE", player.id)
        first = asyncio.create_task(
            player.post("/api/cases/open", body, headers=key("in progress"))
        )
        await somebody_waits(database)
        second = await player.post("/api/cases/open", body, headers=key("in progress"))
        assert (second.status, second["code"]) == (409, "idempotency_in_progress")
        assert not first.done()
    answer = await first
    again = await player.post("/api/cases/open", body, headers=key("in progress"))
    assert (answer.status, again.body) == (200, answer.body)
    assert await player.balance() == 90


async def test_refusal_leaves_no_key_behind(
    club: Club, player: Person, database: Any
) -> None:
    case = await club.create_case(price=150)
    body = {"caseId": case["id"]}
    refused = await player.post("/api/cases/open", body, headers=key("later"))
    assert (refused.status, refused["code"]) == (400, "insufficient_balance")
    assert await kept_keys(database, player) == []

    await give(club, player, "50")
    assert (await player.post("/api/cases/open", body, headers=key("later"))).status == 200
    assert await kept_keys(database, player) == ["later"]


async def test_key_belongs_to_one_member_and_one_path(club: Club, player: Person) -> None:
    case = await club.create_case(price=10, items=[line(value=1)])
    other = await club.person(balance=100, has_password=False)
    body = {"caseId": case["id"]}
    mine = await player.post("/api/cases/open", body, headers=key("shared"))
    theirs = await other.post("/api/cases/open", body, headers=key("shared"))
    claimed = await player.post(
        "/api/inventory/claim", {"inventoryId": mine["inventoryId"]}, headers=key("shared")
    )
    assert (mine.status, theirs.status, claimed.status) == (200, 200, 200)
    assert mine["inventoryId"] != theirs["inventoryId"]


async def test_admins_correction_is_made_once_for_a_key(club: Club, player: Person) -> None:
    admin = await club.admin()
    body = {"userId": player.id, "amount": 5}
    for path, after in ((ADD, 105), (SUBTRACT, 100)):
        for _ in range(2):
            answer = await admin.post(path, body, headers=key(f"{player.id}"))
            assert (answer.status, answer["balance"]) == (200, after)


@pytest.mark.parametrize("bad", ["", "x" * 256, "ключ", "tab\there", " "])
async def test_key_that_is_none_is_refused(club: Club, player: Person, bad: str) -> None:
    case = await club.create_case(price=10)
    answer = await player.post("/api/cases/open", {"caseId": case["id"]}, headers=key(bad))
    assert (answer.status, answer["code"]) == (400, "bad_idempotency_key")
    assert await player.balance() == 100


async def test_key_is_forgotten_after_a_day(club: Club, player: Person, database: Any) -> None:
    case = await club.create_case(price=10)
    body = {"caseId": case["id"]}
    first = await player.post("/api/cases/open", body, headers=key("daily"))
    age = "UPDATE idempotency SET created_at = created_at - $2::interval WHERE user_id = $1"

    await database.execute(age, player.id, timedelta(hours=23, minutes=59))
    almost = await player.post("/api/cases/open", body, headers=key("daily"))
    await database.execute(age, player.id, timedelta(minutes=2))
    later = await player.post("/api/cases/open", body, headers=key("daily"))
    repeated = await player.post("/api/cases/open", body, headers=key("daily"))

    assert almost.body == first.body
    assert later.status == 200
    assert later["inventoryId"] != first["inventoryId"]
    assert repeated.body == later.body


# --- the inventory ---------------------------------------------------------------------------


async def won(club: Club, player: Person, value: float = 7.5) -> int:
    """The id of a prize that the player has just won."""
    opened = await player.opens(await club.create_case(price=10, items=[line(value=value)]))
    return int(opened["inventoryId"])


async def test_claiming_pays_the_value_once(club: Club, player: Person) -> None:
    prize = await won(club, player)
    before = (await player.get("/api/updates"))["cursor"]

    claimed = await player.post("/api/inventory/claim", {"inventoryId": prize})
    again = await player.post("/api/inventory/claim", {"inventoryId": prize})

    assert claimed.body == {"success": True, "balance": 97.5}
    assert (again.status, again["code"]) == (400, "item_not_available")
    assert await player.balance() == 97.5
    told = (await player.get(f"/api/updates?after={before}"))["events"]
    assert [event["event"] for event in told] == [
        f"balance:updated:{player.id}",
        f"inventory:updated:{player.id}",
    ]
    entry = (await player.get("/api/inventory"))["items"][0]
    assert (entry["id"], entry["status"]) == (prize, "claimed")


async def test_claiming_what_is_not_ones_own_is_not_found(club: Club, player: Person) -> None:
    prize = await won(club, player)
    other = await club.person(role="admin", has_password=False)
    for person, inventory_id in ((other, prize), (player, 2**53 - 1)):
        answer = await person.post("/api/inventory/claim", {"inventoryId": inventory_id})
        assert (answer.status, answer["code"]) == (404, "item_not_found")
    assert await other.balance() == 0


async def test_prize_without_value_cannot_become_money(club: Club, player: Person) -> None:
    prize = await won(club, player, value=0)
    answer = await player.post("/api/inventory/claim", {"inventoryId": prize})
    assert (answer.status, answer["code"]) == (400, "item_without_value")
    assert (await player.get("/api/inventory"))["items"][0]["status"] == "won"


@pytest.mark.parametrize("status", ["issued", "cancelled"])
async def test_staff_hands_out_or_calls_off_and_there_is_no_way_back(
    club: Club, player: Person, status: str
) -> None:
    prize, staff = await won(club, player), await club.person(role="staff", has_password=False)
    before = (await player.get("/api/updates"))["cursor"]

    answer = await staff.call("PUT", f"/api/inventory/{prize}/status", {"status": status})

    assert (answer.status, answer.body.keys()) == (200, {"success", "item"})
    assert (answer["item"]["id"], answer["item"]["status"]) == (prize, status)
    told = (await player.get(f"/api/updates?after={before}"))["events"]
    assert [event["event"] for event in told] == [f"inventory:updated:{player.id}"]
    for later in ("issued", "cancelled"):
        again = await staff.call("PUT", f"/api/inventory/{prize}/status", {"status": later})
        assert (again.status, again["code"]) == (400, "item_not_available")
    claim = await player.post("/api/inventory/claim", {"inventoryId": prize})
    assert (claim.status, claim["code"]) == (400, "item_not_available")
    assert await player.balance() == 90


async def test_staff_can_neither_claim_nor_undo(club: Club, player: Person) -> None:
    prize, staff = await won(club, player), await club.person(role="staff", has_password=False)
    for status, code in (
        ("claimed", "status_not_allowed"),
        ("won", "status_not_allowed"),
        ("lost", "validation_failed"),
        (None, "validation_failed"),
    ):
        refused = await staff.call("PUT", f"/api/inventory/{prize}/status", {"status": status})
        assert (refused.status, refused["code"]) == (400, code)
    claimed = await player.post("/api/inventory/claim", {"inventoryId": prize})
    assert claimed.status == 200
    late = await staff.call("PUT", f"/api/inventory/{prize}/status", {"status": "issued"})
    assert (late.status, late["code"]) == (400, "item_not_available")


async def test_member_cannot_set_a_status(club: Club, player: Person) -> None:
    prize = await won(club, player)
    place = f"/api/inventory/{prize}/status"
    assert (await player.call("PUT", place, {"status": "issued"})).status == 403
    assert (await club.call("PUT", place, {"status": "issued"})).status == 401


async def test_admin_may_do_what_staff_may(club: Club, player: Person) -> None:
    prize, admin = await won(club, player), await club.admin()
    answer = await admin.call("PUT", f"/api/inventory/{prize}/status", {"status": "issued"})
    assert answer.status == 200
    missing = await admin.call("PUT", f"/api/inventory/{2**53 - 1}/status", {"status": "issued"})
    assert (missing.status, missing["code"]) == (404, "item_not_found")


async def test_inventory_can_be_read_by_status(club: Club, player: Person) -> None:
    kept, claimed = await won(club, player), await won(club, player)
    await player.post("/api/inventory/claim", {"inventoryId": claimed})
    for query, ids in (
        ("", [claimed, kept]),
        ("?status=won", [kept]),
        ("?status=claimed", [claimed]),
        ("?status=issued", []),
    ):
        seen = await player.get(f"/api/inventory{query}")
        assert [entry["id"] for entry in seen["items"]] == ids
    assert (await player.get("/api/inventory?status=lost")).status == 400
