"""Statements that many share."""

import asyncio

import pytest

from server.db.batches import Batches

PATIENCE_S = 10.0


class Statement:
    """Answers twice the number, once it may; `ran` holds what was asked together."""

    def __init__(self) -> None:
        self.ran: list[list[int]] = []
        self.may_end = asyncio.Event()

    async def run(self, keys: list[int]) -> list[int]:
        self.ran.append(keys)
        await self.may_end.wait()
        if 0 in keys:
            raise ValueError("zero")
        return [2 * key for key in keys]


@pytest.fixture
def statement() -> Statement:
    return Statement()


async def all_of(*asking: "asyncio.Task[int]") -> list[int]:
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.gather(*asking)


def ask(batches: "Batches[int, int]", *keys: int) -> "list[asyncio.Task[int]]":
    return [asyncio.create_task(batches.ask(key)) for key in keys]


@pytest.mark.parametrize("at_once", [1, 2])
async def test_who_was_answered_may_ask_again_at_once(statement: Statement, at_once: int) -> None:
    batches = Batches(statement.run, most=10, at_once=at_once)
    statement.may_end.set()

    async def again_and_again(first: int) -> list[int]:
        return [await batches.ask(first + number) for number in range(20)]

    async with asyncio.timeout(PATIENCE_S):
        answers = await asyncio.gather(*map(again_and_again, (100, 200, 300)))

    assert answers == [[2 * (first + n) for n in range(20)] for first in (100, 200, 300)]


async def test_who_comes_meanwhile_shares_the_next_statement(statement: Statement) -> None:
    batches = Batches(statement.run, most=2)
    asking = ask(batches, 1)
    while not statement.ran:
        await asyncio.sleep(0)
    asking += ask(batches, 2, 3, 4)
    statement.may_end.set()

    assert await all_of(*asking) == [2, 4, 6, 8]
    assert statement.ran == [[1], [2, 3], [4]]


async def test_a_statement_that_fails_fails_for_those_who_shared_it_only(
    statement: Statement,
) -> None:
    batches = Batches(statement.run, most=2)
    statement.may_end.set()
    asking = ask(batches, 1, 0, 3)

    answers = await asyncio.gather(*asking, return_exceptions=True)

    assert [type(each) for each in answers] == [ValueError, ValueError, int]
    assert await all_of(*ask(batches, 5)) == [10]
