"""Cases: what is on sale, opening one, checking the draw, and the admin's editing."""

import asyncio
import hashlib
import hmac
from decimal import Decimal
from typing import Any

import pytest

from tests.club import Club, Person, line

CASE = {"id", "name", "image", "price", "items"}
LINE = {"id", "name", "image", "rarity", "value", "chance"}
ADMIN_LINE = LINE | {"weight", "stock"}
ITEM = {"id", "name", "image", "rarity", "value"}
OPENING = {"id", "serverSeedHash", "serverSeed", "clientSeed", "nonce", "roll"}


def chances(case: Any) -> list[Decimal]:
    return [Decimal(str(each["chance"])) for each in case["items"]]


def rolled(proof: Any, total: int) -> int:
    """The draw as docs/fairness.md tells it, written a second time."""
    attempt = 0
    while True:
        message = f"{proof['clientSeed']}:{proof['nonce']}" + (f":{attempt}" if attempt else "")
        key = proof["serverSeed"].encode()
        number = int(hmac.new(key, message.encode(), hashlib.sha256).hexdigest(), 16)
        if number < 2**256 // total * total:
            return number % total
        attempt += 1


# --- what is on sale -------------------------------------------------------------------------


async def test_anyone_sees_cases_with_chances_but_not_weights_or_stock(club: Club) -> None:
    case = await club.create_case(price=12.5, items=[line(weight=1, stock=7), line(weight=3)])

    listed = await club.call("GET", "/api/cases")
    alone = await club.call("GET", f"/api/cases/{case['id']}")

    assert listed.body.keys() == {"success", "cases"}
    assert alone.body.keys() == {"success", "case"}
    assert alone["case"] in listed["cases"]
    assert alone["case"].keys() == CASE
    assert all(each.keys() == LINE for each in alone["case"]["items"])
    assert alone["case"]["price"] == 12.5
    assert chances(alone["case"]) == [Decimal("0.25"), Decimal("0.75")]


@pytest.mark.parametrize("weights", [(1, 1, 1), (1,) * 7, (999_999_999, 1), (1, 10, 100, 999)])
async def test_chances_have_six_decimals_and_sum_to_one(
    club: Club, weights: tuple[int, ...]
) -> None:
    case = await club.create_case(items=[line(weight=weight) for weight in weights])

    assert sum(chances(case)) == 1
    for chance, weight in zip(chances(case), weights, strict=True):
        assert -chance.as_tuple().exponent <= 6  # type: ignore[operator]
        assert abs(chance - Decimal(weight) / sum(weights)) < Decimal("0.000001")


async def test_line_out_of_stock_has_chance_zero_and_the_others_share_it(club: Club) -> None:
    case = await club.create_case(
        items=[line(weight=10, stock=0), line(weight=1), line(weight=3, stock=2)]
    )
    assert chances(case) == [0, Decimal("0.25"), Decimal("0.75")]


async def test_case_that_is_sold_out_shows_only_zeros(club: Club) -> None:
    case = await club.create_case(items=[line(stock=0), line(stock=0)])
    assert chances(case) == [0, 0]


# --- opening ---------------------------------------------------------------------------------


async def test_opening_takes_the_price_and_grants_the_item(club: Club, player: Person) -> None:
    case = await club.create_case(price=30, items=[line("Mouse", value=45.5, rarity="rare")])

    opened = await player.opens(case)

    assert opened.status == 200
    assert opened.body.keys() == {"success", "item", "balance", "inventoryId", "opening"}
    assert opened["item"].keys() == ITEM
    assert (opened["item"]["name"], opened["item"]["value"]) == ("Mouse", 45.5)
    assert opened["balance"] == await player.balance() == 70
    assert opened["opening"].keys() == OPENING
    owned = await player.get("/api/inventory")
    assert [entry["id"] for entry in owned["items"]] == [opened["inventoryId"]]
    entry = owned["items"][0]
    assert entry.keys() == {"id", "item", "case", "status", "wonAt"}
    assert entry["item"] == opened["item"]
    assert entry["case"] == {"id": case["id"], "name": case["name"], "image": case["image"]}
    assert entry["status"] == "won"
    assert entry["wonAt"].endswith("Z")


async def test_opening_without_funds_changes_nothing(club: Club, player: Person) -> None:
    case = await club.create_case(price=100.01, items=[line(stock=1)])
    promised = (await player.get("/api/cases/commitment"))["commitment"]

    refused = await player.opens(case)

    assert (refused.status, refused["code"]) == (400, "insufficient_balance")
    assert await player.balance() == 100
    assert (await player.get("/api/inventory"))["items"] == []
    assert len((await player.get("/api/transactions"))["transactions"]) == 1
    assert (await player.get("/api/cases/commitment"))["commitment"] == promised
    admin = await club.admin()
    stock = {
        each["id"]: each["items"][0]["stock"]
        for each in (await admin.get("/api/admin/cases"))["cases"]
    }
    assert stock[case["id"]] == 1


async def test_opening_with_exactly_the_price_leaves_nothing(club: Club, player: Person) -> None:
    case = await club.create_case(price=100)
    assert (await player.opens(case))["balance"] == 0
    assert (await player.opens(case))["code"] == "insufficient_balance"


async def test_last_piece_is_won_once_and_then_the_case_is_sold_out(
    club: Club, player: Person
) -> None:
    case = await club.create_case(price=10, items=[line("Trophy", stock=1)])
    before = (await player.get("/api/updates"))["cursor"]

    first, second = await player.opens(case), await player.opens(case)

    assert (first.status, first["item"]["name"]) == (200, "Trophy")
    assert (second.status, second["code"]) == (400, "sold_out")
    assert await player.balance() == 90
    told = await player.get(f"/api/updates?after={before}")
    # The line that ran out changed everybody's chances; the refused opening told nobody.
    assert [event["event"] for event in told["events"]] == [
        f"balance:updated:{player.id}",
        f"inventory:updated:{player.id}",
        "drop:new",
        "cases:updated",
        "notification:new",
    ]


async def test_line_that_runs_out_leaves_the_rest_to_win(club: Club, player: Person) -> None:
    case = await club.create_case(
        price=10, items=[line("Rare", weight=1_000_000, stock=1), line("Plain", weight=1)]
    )
    names = [(await player.opens(case))["item"]["name"] for _ in range(3)]
    assert sorted(names) == ["Plain", "Plain", "Rare"]


async def test_opening_needs_a_member_and_a_case(club: Club, player: Person) -> None:
    case = await club.create_case()
    anonymous = await club.call("POST", "/api/cases/open", {"caseId": case["id"]})
    unknown = await player.post("/api/cases/open", {"caseId": 2**53 - 1})

    assert (anonymous.status, anonymous["code"]) == (401, "unauthorized")
    assert (unknown.status, unknown["code"]) == (404, "case_not_found")


async def test_drop_is_shown_with_a_masked_name_and_equals_its_event(
    club: Club, player: Person
) -> None:
    before = (await club.call("GET", "/api/updates"))["cursor"]
    opened = await player.opens(await club.create_case(price=1))

    drop = (await club.call("GET", "/api/drops?limit=1"))["drops"][0]

    assert drop.keys() == {"id", "user", "item", "case", "at"}
    assert drop["id"] == opened["opening"]["id"]
    assert drop["item"] == opened["item"]
    assert "***" in drop["user"] and drop["user"] != player.username
    told = (await club.call("GET", f"/api/updates?after={before}"))["events"]
    assert [event["data"] for event in told if event["event"] == "drop:new"] == [drop]


# --- the draw can be checked -----------------------------------------------------------------


async def test_commitment_made_before_is_kept_by_the_opening(club: Club, player: Person) -> None:
    case = await club.create_case(
        price=1, items=[line("a", weight=7), line("gone", stock=0), line("b", weight=6)]
    )
    for nonce in range(1, 6):
        promised = await player.get("/api/cases/commitment")
        assert promised.body.keys() == {"success", "commitment"}
        assert promised["commitment"].keys() == {"serverSeedHash", "nonce"}
        opened = await player.opens(case, clientSeed=f"мой {nonce}")
        proof = opened["opening"]

        assert proof["nonce"] == promised["commitment"]["nonce"] == nonce
        assert proof["clientSeed"] == f"мой {nonce}"
        seed_hash = hashlib.sha256(proof["serverSeed"].encode()).hexdigest()
        assert seed_hash == proof["serverSeedHash"] == promised["commitment"]["serverSeedHash"]
        # Only lines in stock take part: 13 is the sum of the weights of the other two.
        assert proof["roll"] == rolled(proof, 13)
        assert opened["item"]["name"] == ("a" if proof["roll"] < 7 else "b")


async def test_seed_is_used_once(club: Club, player: Person) -> None:
    case = await club.create_case(price=1)
    first, second = await player.opens(case), await player.opens(case)
    assert first["opening"]["serverSeed"] != second["opening"]["serverSeed"]


async def test_opening_on_record_shows_all_that_a_check_needs(club: Club, player: Person) -> None:
    case = await club.create_case(price=1, items=[line("a", weight=5), line("b", weight=9)])
    opened = await player.opens(case)
    admin = await club.admin()
    # Neither new lines nor another stock may change what an old opening was drawn from.
    await admin.call("PATCH", f"/api/admin/cases/{case['id']}/items", {"items": [line("new")]})

    kept = await club.call("GET", f"/api/cases/openings/{opened['opening']['id']}")

    assert kept.body.keys() == {"success", "opening", "item", "lines"}
    assert kept["opening"] == opened["opening"]
    assert kept["item"] == opened["item"]
    assert [(each["name"], each["weight"]) for each in kept["lines"]] == [("a", 5), ("b", 9)]
    running, roll = 0, rolled(kept["opening"], 14)
    for each in kept["lines"]:
        running += each["weight"]
        if roll < running:
            break
    assert each["id"] == kept["item"]["id"]


async def test_client_seed_of_the_server_when_the_member_brings_none(
    club: Club, player: Person
) -> None:
    case = await club.create_case(price=1)
    seeds = [
        (await player.opens(case, **chosen))["opening"]["clientSeed"]
        for chosen in ({}, {}, {"clientSeed": None})
    ]
    assert all(seeds) and len(set(seeds)) == 3


@pytest.mark.parametrize("seed", ["", "x" * 65, "a\nb", "a\x00b", "\ud800", 7, ["a"]])
async def test_client_seed_that_is_no_short_line_is_refused(
    club: Club, player: Person, seed: Any
) -> None:
    refused = await player.opens({"id": 1}, clientSeed=seed)
    assert (refused.status, refused["fields"].keys()) == (400, {"clientSeed"})


async def test_opening_that_never_was_is_not_found(club: Club) -> None:
    for name in ("999999", "0", "-1", "x", str(2**53), "1" * 40):
        answer = await club.call("GET", f"/api/cases/openings/{name}")
        assert answer.status == 404, name


_RARE = "WHERE case_id = $1 AND name = 'Rare'"


@pytest.mark.parametrize(
    ("change", "then"),
    [
        ("UPDATE case_items SET name = 'New' WHERE case_id = $1 AND weight > 1", ("New", 2)),
        (f"UPDATE case_items SET stock = 0 {_RARE}", ("Plain", 1)),
        (f"UPDATE case_items SET removed_at = now() {_RARE}", ("Plain", 1)),
        (f"DELETE FROM case_items {_RARE}", ("Plain", 1)),
        (
            "INSERT INTO case_items (case_id, name, image, rarity, value_minor, weight)"
            " VALUES ($1, 'Another', '', 'common', 1, 1)",
            ("Plain", 3),
        ),
    ],
)
async def test_lines_changed_behind_the_servers_back_count_from_the_next_opening(
    club: Club, player: Person, database: Any, change: str, then: tuple[str, int]
) -> None:
    plain = line("Plain", weight=1_000_000_000)
    case = await club.create_case(price=1, items=[plain, line("Rare", weight=1)])

    async def won_out_of_how_many() -> tuple[str, int]:
        opened = await player.opens(case)
        lines = await database.fetchval(
            "SELECT cardinality(line_ids) FROM openings WHERE id = $1", opened["opening"]["id"]
        )
        return opened["item"]["name"], lines

    assert await won_out_of_how_many() == ("Plain", 2)
    await database.execute(change, case["id"])
    assert await won_out_of_how_many() == then


# --- the admin edits -------------------------------------------------------------------------


async def test_admin_creates_a_case_and_sees_weights_and_stock(club: Club) -> None:
    admin = await club.admin()
    body = {
        "name": "  Gold  ",
        "image": "/static/gold.png",
        "price": 1234.56,
        "items": [line("A", image="https://x.example/a.png", weight=2, stock=3), line("B")],
    }
    made = await admin.post("/api/admin/cases", body)

    assert made.status == 201
    assert made.body.keys() == {"success", "case"}
    case = made["case"]
    assert case.keys() == CASE
    assert (case["name"], case["price"]) == ("Gold", 1234.56)
    assert all(each.keys() == ADMIN_LINE for each in case["items"])
    assert [(each["weight"], each["stock"]) for each in case["items"]] == [(2, 3), (1, None)]
    assert case in (await admin.get("/api/admin/cases"))["cases"]


async def test_admin_changes_a_case_as_a_whole(club: Club) -> None:
    admin, case = await club.admin(), await club.create_case()
    body = {"name": "Other", "price": 7, "items": [line("Only")]}

    changed = await admin.call("PUT", f"/api/admin/cases/{case['id']}", body)

    assert changed.status == 200
    assert (changed["case"]["id"], changed["case"]["name"]) == (case["id"], "Other")
    assert [each["name"] for each in changed["case"]["items"]] == ["Only"]
    seen = (await club.call("GET", f"/api/cases/{case['id']}"))["case"]
    assert (seen["name"], seen["price"]) == ("Other", 7)


async def test_admin_replaces_the_lines_and_nothing_else(club: Club) -> None:
    admin, case = await club.admin(), await club.create_case(price=11)
    lines = [line("New", weight=2), line("Newer", weight=2)]

    changed = await admin.call(
        "PATCH", f"/api/admin/cases/{case['id']}/items", {"items": lines}
    )

    assert changed.status == 200
    assert [each["name"] for each in changed["case"]["items"]] == ["New", "Newer"]
    assert (changed["case"]["price"], changed["case"]["name"]) == (11, case["name"])


async def test_admin_changes_the_price_and_nothing_else(club: Club) -> None:
    admin, case = await club.admin(), await club.create_case(price=11)

    changed = await admin.call(
        "PUT", f"/api/admin/cases/{case['id']}/price", {"price": 12.34}
    )

    assert changed.status == 200
    assert changed["case"] == case | {"price": 12.34}


async def test_every_edit_tells_everybody_once(club: Club) -> None:
    admin = await club.admin()
    before = (await club.call("GET", "/api/updates"))["cursor"]
    case = await club.create_case()
    place = f"/api/admin/cases/{case['id']}"
    await admin.call("PUT", f"{place}/price", {"price": 3})
    await admin.call("PATCH", f"{place}/items", {"items": [line()]})
    await admin.call("PUT", place, {"name": "x", "price": 1, "items": [line()]})
    await admin.call("DELETE", place)
    await admin.call("DELETE", place)

    told = (await club.call("GET", f"/api/updates?after={before}"))["events"]
    assert [(event["event"], event["data"]) for event in told] == [("cases:updated", None)] * 5


async def test_items_won_stay_the_members_after_their_case_is_gone(
    club: Club, player: Person
) -> None:
    admin, case = await club.admin(), await club.create_case(price=10, items=[line(value=8)])
    opened = await player.opens(case)

    removed = await admin.call("DELETE", f"/api/admin/cases/{case['id']}")

    assert (removed.status, removed["case"]["id"]) == (200, case["id"])
    assert (await club.call("GET", f"/api/cases/{case['id']}")).status == 404
    assert case["id"] not in [
        each["id"] for each in (await club.call("GET", "/api/cases"))["cases"]
    ]
    assert (await player.opens(case))["code"] == "case_not_found"
    entry = (await player.get("/api/inventory"))["items"][0]
    assert (entry["item"], entry["case"]["name"]) == (opened["item"], case["name"])
    claimed = await player.post("/api/inventory/claim", {"inventoryId": entry["id"]})
    assert (claimed.status, claimed["balance"]) == (200, 98)


async def test_item_keeps_the_value_it_was_won_with(club: Club, player: Person) -> None:
    admin, case = await club.admin(), await club.create_case(price=10, items=[line(value=8)])
    opened = await player.opens(case)
    await admin.call(
        "PATCH", f"/api/admin/cases/{case['id']}/items", {"items": [line(value=1)]}
    )
    claim = {"inventoryId": opened["inventoryId"]}
    assert (await player.post("/api/inventory/claim", claim))["balance"] == 98


EDITS = [
    ("POST", "/api/admin/cases", {"name": "x", "price": 1, "items": [line()]}),
    ("PUT", "/api/admin/cases/{id}", {"name": "x", "price": 1, "items": [line()]}),
    ("PATCH", "/api/admin/cases/{id}/items", {"items": [line()]}),
    ("PUT", "/api/admin/cases/{id}/price", {"price": 1}),
    ("DELETE", "/api/admin/cases/{id}", None),
]


@pytest.mark.parametrize(("method", "path", "body"), EDITS)
async def test_only_admins_edit(
    club: Club, player: Person, method: str, path: str, body: Any
) -> None:
    case = await club.create_case()
    staff = await club.person(role="staff", has_password=False)
    place = path.replace("{id}", str(case["id"]))

    assert (await club.call(method, place, body)).status == 401
    for person in (player, staff):
        answer = await person.call(method, place, body)
        assert (answer.status, answer["code"]) == (403, "forbidden")
    seen = (await club.call("GET", f"/api/cases/{case['id']}"))["case"]
    assert (seen["name"], seen["price"]) == (case["name"], case["price"])


@pytest.mark.parametrize(("method", "path", "body"), EDITS[1:])
async def test_editing_a_case_that_is_not_there_is_not_found(
    club: Club, method: str, path: str, body: Any
) -> None:
    admin = await club.admin()
    for name in ("999999", "0", "x", str(2**53), "%D9%A7", "0" * 19 + "1" + "9" * 19):
        answer = await admin.call(method, path.replace("{id}", name), body)
        assert answer.status == 404, (name, answer.body)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "   "),
        ("name", "x" * 121),
        ("name", 7),
        ("image", "javascript:alert(1)"),
        ("image", "//elsewhere.example/a.png"),
        ("image", "data:text/html,x"),
        ("price", 0),
        ("price", -1),
        ("price", "10"),
        ("price", None),
        ("items", []),
        ("items", None),
        ("items", {}),
        ("items", ["x"]),
        ("items", [line()] * 201),
    ],
)
async def test_case_that_makes_no_sense_is_refused(club: Club, field: str, value: Any) -> None:
    admin = await club.admin()
    body = {"name": "x", "price": 1, "items": [line()]} | {field: value}
    refused = await admin.post("/api/admin/cases", body)
    assert (refused.status, refused["code"]) == (400, "validation_failed")
    assert refused["fields"].keys() == {field}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("weight", 0),
        ("weight", -1),
        ("weight", 1.5),
        ("weight", True),
        ("weight", "1"),
        ("weight", 10**12),
        ("stock", -1),
        ("stock", 0.5),
        ("value", -0.01),
        ("rarity", "mythic"),
        ("name", None),
        ("chance", 0.5),
    ],
)
async def test_line_that_makes_no_sense_is_refused_with_its_place(
    club: Club, field: str, value: Any
) -> None:
    admin, case = await club.admin(), await club.create_case()
    refused = await admin.call(
        "PATCH",
        f"/api/admin/cases/{case['id']}/items",
        {"items": [line(), line(**{field: value})]},
    )
    assert (refused.status, refused["code"]) == (400, "validation_failed")
    assert refused["fields"]["items"]["1"].keys() == {field}
    assert f"items.1.{field}" in refused["error"]


async def test_two_admins_who_edit_one_case_leave_the_lines_of_one(club: Club) -> None:
    case = await club.create_case()
    admin, other = await club.admin(), await club.person(role="admin", has_password=False)
    place = f"/api/admin/cases/{case['id']}/items"

    for _ in range(5):
        edits = await asyncio.gather(
            *(
                person.call("PATCH", place, {"items": [line(name), line(name), line(name)]})
                for person, name in ((admin, "mine"), (other, "theirs"), (admin, "mine again"))
            )
        )
        seen = (await club.call("GET", f"/api/cases/{case['id']}"))["case"]
        assert [edit.status for edit in edits] == [200, 200, 200]
        assert len(seen["items"]) == 3
        assert len({each["name"] for each in seen["items"]}) == 1
