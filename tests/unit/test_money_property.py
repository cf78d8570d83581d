"""Money under random interleavings: whatever happens at once, not a coin is lost or doubled."""

import asyncio
import random
from decimal import Decimal
from typing import Any

import pytest

from tests.club import Answer, Club, Person, line
from tests.invariants import check_invariants
from tests.payments import signed_callback

ROUNDS = 8
STEPS = 60
AT_ONCE = 15
# Every answer that a correct server may give to these requests.
EXPECTED = {
    "insufficient_balance",
    "item_not_available",
    "sold_out",
    "case_not_found",
    "idempotency_in_progress",
}


class Model:
    """What the money of each member must be by the answers alone."""

    def __init__(self, people: list[Person]) -> None:
        self.people = people
        self.balances = {person.id: Decimal(0) for person in people}
        self.prizes: list[tuple[Person, int]] = []
        self.credited: set[str] = set()
        self.answered: dict[tuple[int, str], Any] = {}

    def moved(self, person: Person, amount: Decimal) -> None:
        self.balances[person.id] += amount


def coins(number: Any) -> Decimal:
    return Decimal(str(number))


class Day:
    """One random day in the club; every step is a request, and they run at once."""

    def __init__(self, club: Club, model: Model, cases: list[Any], dice: random.Random) -> None:
        self.club = club
        self.model = model
        self.cases = cases
        self.dice = dice

    def step(self) -> Any:
        """The next request, decided now so that the seed alone decides the day."""
        dice = self.dice
        person = dice.choice(self.model.people)
        amount = f"{dice.randint(1, 3000) / 100:.2f}"
        name = f"{dice.randint(0, 4)}-{person.id}"
        return dice.choice(
            [
                lambda case=dice.choice(self.cases): self.opens(person, case, None),
                lambda case=self.cases[0]: self.opens(person, case, name),
                lambda pick=dice.random(): self.claims(pick),
                lambda: self.corrects(person, "add", amount),
                lambda: self.corrects(person, "subtract", amount),
                lambda: self.tops_up(person, f"top-up-{name}"),
                lambda case=dice.choice(self.cases): self.edits(case, amount),
            ]
        )

    async def opens(self, person: Person, case: Any, key: str | None) -> None:
        headers = {"Idempotency-Key": key} if key else None
        answer = await person.post("/api/cases/open", {"caseId": case["id"]}, headers=headers)
        if not self.is_good(answer):
            return
        place = (person.id, key or "")
        if key and place in self.model.answered:
            assert answer.body == self.model.answered[place]
            return
        if key:
            self.model.answered[place] = answer.body
        self.model.prizes.append((person, answer["inventoryId"]))

    async def claims(self, pick: float) -> None:
        if self.model.prizes:
            person, prize = self.model.prizes[int(pick * len(self.model.prizes))]
            self.is_good(await person.post("/api/inventory/claim", {"inventoryId": prize}))

    async def corrects(self, person: Person, what: str, amount: str) -> None:
        admin = await self.club.admin()
        raw = f'{{"userId": {person.id}, "amount": {amount}}}'
        answer = await admin.post(f"/api/admin/balance/{what}", raw=raw)
        if self.is_good(answer):
            self.model.moved(person, coins(amount) * (1 if what == "add" else -1))

    async def tops_up(self, person: Person, transaction: str) -> None:
        body = signed_callback(person, "12.34", transaction)
        answer = await self.club.call("POST", "/api/payment/callback", raw=body)
        assert answer.body == {"success": True}
        if transaction not in self.model.credited:
            self.model.credited.add(transaction)
            self.model.moved(person, Decimal("12.34"))

    async def edits(self, case: Any, price: str) -> None:
        admin = await self.club.admin()
        answer = await admin.call(
            "PUT", f"/api/admin/cases/{case['id']}/price", raw=f'{{"price": {price}}}'
        )
        assert self.is_good(answer)

    def is_good(self, answer: Answer) -> bool:
        assert answer.status in (200, 400, 404, 409), answer.body
        assert answer.status == 200 or answer["code"] in EXPECTED, answer.body
        return answer.status == 200


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_random_days_lose_and_double_nothing(club: Club, dsn: str, seed: int) -> None:
    dice = random.Random(seed)
    model = Model([await club.person(has_password=False) for _ in range(3)])
    cases = [
        await club.create_case(price=price, items=[line("Plain", value=4), line("Few", stock=5)])
        for price in (3.33, 10)
    ]
    before = (await club.call("GET", "/api/updates"))["cursor"]
    day = Day(club, model, cases, dice)
    for person in model.people:
        await day.corrects(person, "add", "50.00")
    steps = [day.step() for _ in range(STEPS)]
    while steps:
        await asyncio.gather(*(step() for step in steps[:AT_ONCE]))
        del steps[:AT_ONCE]

    await check_invariants(dsn)
    for person in model.people:
        lines = (await person.get("/api/transactions?limit=200"))["transactions"]
        owned = (await person.get("/api/inventory"))["items"]
        # What the answers promised is what the ledger says, kind by kind.
        from_outside = {"admin_add", "admin_subtract", "deposit"}
        assert total(lines, from_outside) == model.balances[person.id]
        assert coins(await person.balance()) == total(lines) >= 0
        assert len([each for each in lines if each["kind"] == "open"]) == len(owned)
        values = [each["item"]["value"] for each in owned if each["status"] == "claimed"]
        assert total(lines, {"claim"}) == sum(map(coins, values), Decimal(0))
        # The member heard of each movement once and in its order.
        told = (await person.get(f"/api/updates?after={before}"))["events"]
        heard = [each["data"]["balance"] for each in told if "balance" in each["event"]]
        assert heard == [each["balanceAfter"] for each in reversed(lines)]


def total(lines: list[Any], kinds: set[str] | None = None) -> Decimal:
    chosen = [each["amount"] for each in lines if kinds is None or each["kind"] in kinds]
    return sum(map(coins, chosen), Decimal(0))
