"""Things that happen at once. Where it can be, the critical point is held open, not guessed at.

A race test shows the loss without the lock (plain SQL in the test), then that ours has none.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.club import Answer, Club, Person, line
from tests.http.conftest import somebody_waits, somebody_waits_second
from tests.payments import signed_callback


@asynccontextmanager
async def holding(database: Any, sql: str, *values: Any) -> AsyncIterator[None]:
    """Keep locks while the block runs; they end with it, and nothing is changed."""
    transaction = database.transaction()
    await transaction.start()
    await database.fetch(sql, *values)
    try:
        yield
    finally:
        await transaction.rollback()


def statuses(answers: list[Answer]) -> Counter[Any]:
    return Counter(answer.body.get("code", answer.status) for answer in answers)


# --- the balance -----------------------------------------------------------------------------


async def test_balance_read_and_then_written_is_spent_twice(
    database: Any, other_database: Any
) -> None:
    """The loss: two who read 100, and each write what is left after 60."""
    await database.execute("CREATE TABLE naive_purse AS SELECT 100 AS coins")

    seen = [
        await connection.fetchval("SELECT coins FROM naive_purse")
        for connection in (database, other_database)
    ]
    for connection, coins in zip((database, other_database), seen, strict=True):
        if coins >= 60:
            await connection.execute("UPDATE naive_purse SET coins = $1", coins - 60)

    # Both bought for 60 out of 100, and 40 are left.
    assert await database.fetchval("SELECT coins FROM naive_purse") == 40
    await database.execute("DROP TABLE naive_purse")


async def test_two_openings_held_at_the_balance_do_not_both_spend_it(
    club: Club, player: Person, database: Any
) -> None:
    case = await club.create_case(price=60)
    async with holding(database, "SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE", player.id):
        openings = [asyncio.create_task(player.opens(case)) for _ in range(2)]
        await somebody_waits(database)
    answers = await asyncio.gather(*openings)

    assert statuses(answers) == {200: 1, "insufficient_balance": 1}
    assert await player.balance() == 40


async def test_hundred_openings_with_money_for_ten_win_exactly_ten(
    club: Club, player: Person
) -> None:
    case = await club.create_case(price=10)

    answers = await asyncio.gather(*(player.opens(case) for _ in range(100)))

    assert statuses(answers) == {200: 10, "insufficient_balance": 90}
    assert await player.balance() == 0
    assert len((await player.get("/api/inventory"))["items"]) == 10
    # Each opening had a seed of its own, and saw the balance that the one before left.
    good = [answer for answer in answers if answer.status == 200]
    assert sorted(answer["opening"]["nonce"] for answer in good) == list(range(1, 11))
    assert sorted(answer["balance"] for answer in good) == list(range(0, 100, 10))
    assert len({answer["opening"]["serverSeed"] for answer in good}) == 10


async def test_admins_who_add_and_subtract_at_once_lose_nothing(
    club: Club, player: Person
) -> None:
    admin = await club.admin()
    body = {"userId": player.id, "amount": 3}
    answers = await asyncio.gather(
        *(
            admin.post(f"/api/admin/balance/{what}", body)
            for what in ["add", "subtract", "add"] * 10
        )
    )
    assert statuses(answers) == {200: 30}
    assert await player.balance() == 130


# --- claims and callbacks --------------------------------------------------------------------


async def test_claim_in_parallel_pays_once(club: Club, player: Person) -> None:
    opened = await player.opens(await club.create_case(price=10, items=[line(value=50)]))
    claim = {"inventoryId": opened["inventoryId"]}

    answers = await asyncio.gather(
        *(player.post("/api/inventory/claim", claim) for _ in range(20))
    )

    assert statuses(answers) == {200: 1, "item_not_available": 19}
    assert await player.balance() == 140


async def test_claim_and_handing_out_at_once_let_one_of_them_through(
    club: Club, player: Person, database: Any
) -> None:
    staff = await club.person(role="staff", has_password=False)
    opened = await player.opens(await club.create_case(price=10, items=[line(value=50)]))
    prize = opened["inventoryId"]
    # Both have read the prize as won, and stand at the member's row.
    async with holding(database, "SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE", player.id):
        both = [
            asyncio.create_task(player.post("/api/inventory/claim", {"inventoryId": prize})),
            asyncio.create_task(
                staff.call("PUT", f"/api/inventory/{prize}/status", {"status": "issued"})
            ),
        ]
        await somebody_waits(database)
    answers = await asyncio.gather(*both)

    assert statuses(list(answers)) == {200: 1, "item_not_available": 1}
    claimed = answers[0].status == 200
    assert await player.balance() == (140 if claimed else 90)
    entry = (await player.get("/api/inventory"))["items"][0]
    assert entry["status"] == ("claimed" if claimed else "issued")


async def test_transaction_looked_up_and_then_recorded_is_credited_twice(
    database: Any, other_database: Any
) -> None:
    """The loss: both look for the transaction, neither finds it, each credits."""
    await database.execute("CREATE TABLE naive_credits (transaction_id text)")
    find = "SELECT count(*) FROM naive_credits WHERE transaction_id = 'once'"

    found = [await connection.fetchval(find) for connection in (database, other_database)]
    for connection, known in zip((database, other_database), found, strict=True):
        if not known:
            await connection.execute("INSERT INTO naive_credits VALUES ('once')")

    assert await database.fetchval(find) == 2
    await database.execute("DROP TABLE naive_credits")


async def test_fifty_deliveries_of_one_callback_credit_once(club: Club, player: Person) -> None:
    body = signed_callback(player, "10.50", f"fifty-times-{player.id}")

    answers = await asyncio.gather(
        *(club.call("POST", "/api/payment/callback", raw=body) for _ in range(50))
    )

    assert [(answer.status, answer.body) for answer in answers] == [(200, {"success": True})] * 50
    assert await player.balance() == 110.5


async def test_deliveries_with_other_facts_at_once_credit_one_of_them(
    club: Club, player: Person, database: Any
) -> None:
    other = await club.person(has_password=False)
    transaction = f"one-of-two-{player.id}"
    bodies = [signed_callback(person, "10", transaction) for person in (player, other)]
    # Different members' rows do not keep these apart: only the transaction's own key does.
    members = [player.id, other.id]
    async with holding(
        database, "SELECT FROM users WHERE id = ANY($1::bigint[]) FOR NO KEY UPDATE", members
    ):
        both = [
            asyncio.create_task(club.call("POST", "/api/payment/callback", raw=body))
            for body in bodies * 2
        ]
        await somebody_waits(database, 2)
    answers = await asyncio.gather(*both)

    assert {answer.status for answer in answers} == {200}
    assert sorted((await player.balance() - 100, await other.balance())) == [0, 10]


# --- stock -----------------------------------------------------------------------------------


async def test_stock_looked_at_and_then_taken_goes_out_twice(
    database: Any, other_database: Any
) -> None:
    """The loss: both see the last piece, and both give it away."""
    await database.execute("CREATE TABLE naive_stock AS SELECT 1 AS pieces")
    seen = [
        await connection.fetchval("SELECT pieces FROM naive_stock")
        for connection in (database, other_database)
    ]
    given = 0
    for connection, pieces in zip((database, other_database), seen, strict=True):
        if pieces > 0:
            await connection.execute("UPDATE naive_stock SET pieces = $1", pieces - 1)
            given += 1
    assert given == 2
    await database.execute("DROP TABLE naive_stock")


async def test_stock_of_three_under_forty_openings_is_won_three_times(club: Club) -> None:
    case = await club.create_case(price=1, items=[line("Keyboard", stock=3)])
    members = [await club.person(balance=100, has_password=False) for _ in range(4)]
    before = (await club.call("GET", "/api/updates"))["cursor"]

    answers = await asyncio.gather(
        *(person.opens(case) for _ in range(10) for person in members)
    )

    assert statuses(answers) == {200: 3, "sold_out": 37}
    assert sum([await person.balance() for person in members]) == 397
    seen = (await club.call("GET", f"/api/cases/{case['id']}"))["case"]
    assert [each["chance"] for each in seen["items"]] == [0]
    # The last piece was told of once.
    told = (await club.call("GET", f"/api/updates?after={before}"))["events"]
    assert Counter(event["event"] for event in told) == {"drop:new": 3, "cases:updated": 1}


async def test_last_piece_taken_by_another_meanwhile_makes_the_draw_again(
    club: Club, player: Person, database: Any
) -> None:
    case = await club.create_case(
        price=1, items=[line("Last", weight=1_000_000, stock=1), line("Plain", weight=1)]
    )
    last = case["items"][0]["id"]
    transaction = database.transaction()
    await transaction.start()
    # Another opening has taken the last piece and has not committed yet.
    await database.execute("UPDATE case_items SET stock = 0 WHERE id = $1", last)
    opening = asyncio.create_task(player.opens(case))
    await somebody_waits(database)
    await transaction.commit()
    opened = await opening

    assert (opened.status, opened["item"]["name"]) == (200, "Plain")
    checked = await club.call("GET", f"/api/cases/openings/{opened['opening']['id']}")
    assert [each["name"] for each in checked["lines"]] == ["Plain"]
    assert opened["opening"]["roll"] == 0


# --- the admin edits while cases are opened --------------------------------------------------


async def test_price_changed_while_openings_run_is_the_old_or_the_new_one(
    club: Club, player: Person, database: Any
) -> None:
    admin, case = await club.admin(), await club.create_case(price=1)
    place = f"/api/admin/cases/{case['id']}/price"
    answers = await asyncio.gather(
        *(player.opens(case) for _ in range(10)),
        admin.call("PUT", place, {"price": 2.5}),
        *(player.opens(case) for _ in range(10)),
    )

    assert statuses(answers) == {200: 21}
    paid = await database.fetch(
        "SELECT price_minor, -amount_minor AS amount_minor"
        "  FROM (SELECT price_minor, row_number() OVER (ORDER BY id) AS n"
        "          FROM openings WHERE user_id = $1) AS opening"
        "  JOIN (SELECT amount_minor, row_number() OVER (ORDER BY id) AS n"
        "          FROM ledger WHERE user_id = $1 AND kind = 'open') AS posting USING (n)",
        player.id,
    )
    assert len(paid) == 20
    assert {row["price_minor"] for row in paid} <= {100, 250}
    assert [row["amount_minor"] for row in paid] == [row["price_minor"] for row in paid]
    assert (await player.opens(case)).status == 200
    last = "SELECT price_minor FROM openings WHERE user_id = $1 ORDER BY id DESC LIMIT 1"
    assert await database.fetchval(last, player.id) == 250


async def test_opening_that_comes_during_an_edit_pays_the_new_price_for_the_new_lines(
    club: Club, player: Person, database: Any
) -> None:
    admin, case = await club.admin(), await club.create_case(price=1, items=[line("Old")])
    body = {"name": "Edited", "price": 7, "items": [line("New")]}
    # The edit has done all its work but cannot tell of it yet, and so cannot commit.
    async with holding(database, "LOCK TABLE event_log IN SHARE MODE"):
        edit = asyncio.create_task(admin.call("PUT", f"/api/admin/cases/{case['id']}", body))
        await somebody_waits(database)
        opening = asyncio.create_task(player.opens(case))
        await somebody_waits_second(database)
    edited, opened = await asyncio.gather(edit, opening)

    assert edited.status == 200
    assert (opened["item"]["name"], opened["balance"]) == ("New", 93)


async def test_reading_lines_in_the_statement_that_waits_sees_those_that_are_gone(
    club: Club, database: Any, other_database: Any
) -> None:
    """The loss: one statement that locks the case and reads its lines has an old snapshot."""
    case = await club.create_case(items=[line("Old")])
    transaction = database.transaction()
    await transaction.start()
    await database.execute("SELECT FROM cases WHERE id = $1 FOR UPDATE", case["id"])
    naive = asyncio.create_task(
        other_database.fetch(
            "SELECT line.name FROM cases"
            "  JOIN case_items AS line ON line.case_id = cases.id AND line.removed_at IS NULL"
            " WHERE cases.id = $1 FOR KEY SHARE OF cases",
            case["id"],
        )
    )
    await somebody_waits(database)
    await database.execute("UPDATE cases SET name = 'Edited' WHERE id = $1", case["id"])
    await database.execute(
        "UPDATE case_items SET removed_at = now() WHERE case_id = $1", case["id"]
    )
    await transaction.commit()

    assert [row["name"] for row in await naive] == ["Old"]


async def test_edit_waits_for_an_opening_that_has_begun(
    club: Club, player: Person, database: Any
) -> None:
    admin, case = await club.admin(), await club.create_case(price=1, items=[line("Old")])
    # The opening holds the case and stands at the member's row; the edit has to wait for it.
    async with holding(database, "SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE", player.id):
        opening = asyncio.create_task(player.opens(case))
        await somebody_waits(database)
        edit = asyncio.create_task(
            admin.call(
                "PATCH", f"/api/admin/cases/{case['id']}/items", {"items": [line("New")]}
            )
        )
        await somebody_waits_second(database)
        assert not edit.done()
    opened, edited = await asyncio.gather(opening, edit)

    assert (opened.status, opened["item"]["name"]) == (200, "Old")
    assert [each["name"] for each in edited["case"]["items"]] == ["New"]
    assert (await player.opens(case))["item"]["name"] == "New"


async def test_lines_replaced_while_openings_run_are_never_won_afterwards(
    club: Club, player: Person, database: Any
) -> None:
    admin, case = await club.admin(), await club.create_case(price=1, items=[line("0")])
    place = f"/api/admin/cases/{case['id']}/items"

    async def edit() -> None:
        for number in range(1, 11):
            answer = await admin.call("PATCH", place, {"items": [line(str(number))] * 3})
            assert answer.status == 200

    async def open_many() -> list[Answer]:
        return [await player.opens(case) for _ in range(20)]

    _, *openings = await asyncio.gather(edit(), open_many(), open_many())

    assert all(answer.status == 200 for answers in openings for answer in answers)
    # Inside each opening the lines were of one edit: all three, and none that was gone.
    rows = await database.fetch(
        "SELECT openings.id, line_ids, array_agg(DISTINCT line.name) AS names"
        "  FROM openings JOIN case_items AS line ON line.id = ANY(line_ids)"
        " WHERE openings.case_id = $1 GROUP BY openings.id",
        case["id"],
    )
    assert len(rows) == 40
    assert all(len(row["names"]) == 1 for row in rows)
    # One opener at a time sees edits in their order: what it wins never grows older.
    for answers in openings:
        won = [int(answer["item"]["name"]) for answer in answers]
        assert won == sorted(won)


async def test_opening_that_comes_while_the_case_is_deleted_finds_none_and_costs_nothing(
    club: Club, player: Person, database: Any
) -> None:
    admin, case = await club.admin(), await club.create_case(price=1)
    async with holding(database, "LOCK TABLE event_log IN SHARE MODE"):
        removal = asyncio.create_task(admin.call("DELETE", f"/api/admin/cases/{case['id']}"))
        await somebody_waits(database)
        opening = asyncio.create_task(player.opens(case))
        await somebody_waits_second(database)
    removed, opened = await asyncio.gather(removal, opening)

    assert removed.status == 200
    assert (opened.status, opened["code"]) == (404, "case_not_found")
    assert await player.balance() == 100


async def test_two_admins_held_at_one_case_edit_it_one_after_the_other(
    club: Club, database: Any
) -> None:
    case = await club.create_case(items=[line("Old"), line("Older")])
    admin, other = await club.admin(), await club.person(role="admin", has_password=False)
    place = f"/api/admin/cases/{case['id']}"
    async with holding(database, "SELECT FROM cases WHERE id = $1 FOR UPDATE", case["id"]):
        edits = [
            asyncio.create_task(
                person.call(
                    "PUT", place, {"name": name, "price": price, "items": [line(name)] * 3}
                )
            )
            for person, name, price in ((admin, "Mine", 1), (other, "Theirs", 2))
        ]
        await somebody_waits(database, 1)
    answers = await asyncio.gather(*edits)

    assert statuses(answers) == {200: 2}
    seen = (await club.call("GET", f"/api/cases/{case['id']}"))["case"]
    price = {"Mine": 1, "Theirs": 2}[seen["name"]]
    assert (seen["price"], [each["name"] for each in seen["items"]]) == (price, [seen["name"]] * 3)


# --- what a member hears ---------------------------------------------------------------------


async def test_member_hears_balances_in_the_order_of_the_ledger(
    club: Club, player: Person
) -> None:
    admin, case = await club.admin(), await club.create_case(price=1, items=[line(value=3)])
    before = (await player.get("/api/updates"))["cursor"]

    async def open_and_claim() -> None:
        opened = await player.opens(case)
        await player.post("/api/inventory/claim", {"inventoryId": opened["inventoryId"]})

    correction = {"userId": player.id, "amount": 2}
    await asyncio.gather(
        *(open_and_claim() for _ in range(8)),
        *(admin.post("/api/admin/balance/add", correction) for _ in range(8)),
    )

    told = (await player.get(f"/api/updates?after={before}"))["events"]
    heard = [e["data"]["balance"] for e in told if e["event"].startswith("balance:updated:")]
    ledger = (await player.get("/api/transactions"))["transactions"]
    assert heard == [row["balanceAfter"] for row in reversed(ledger[:-1])]
    assert len(heard) == 24
