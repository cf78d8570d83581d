"""What a hostile visitor tries on the HTTP side, and what it gets."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.club import PATIENCE_S, Club, until
from tests.conftest import make_config


@pytest.fixture(scope="module")
async def hasty(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Club]:
    """A club that waits for little and has little to give."""
    config = make_config(
        dsn,
        tmp_path_factory.mktemp("var"),
        body_timeout_s=0.2,
        sign_ins_waiting=2,
        database_pool=4,
    )
    async with Club.open(config) as club:
        yield club


async def test_body_that_never_ends_is_answered_and_let_go(hasty: Club) -> None:
    port = int(hasty.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /api/auth/login HTTP/1.1\r\nHost: club\r\nContent-Length: 100\r\n\r\n{"
    )
    async with asyncio.timeout(PATIENCE_S):
        head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    writer.close()


@pytest.mark.parametrize("body", [b"not gzip at all", b"\x1f\x8b\x08\x00"])
async def test_body_in_another_encoding_than_it_claims_is_refused(club: Club, body: bytes) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    answer: Any = await club.call("POST", "/api/auth/login", raw=body, headers=headers)
    assert answer.status == 400
    assert answer["success"] is False


async def test_origin_that_is_no_address_is_refused(club: Club) -> None:
    path = "/socket.io/?EIO=4&transport=polling"
    answer = await club.call("GET", path, headers={"Origin": "http://["})
    assert answer.status == 403


async def test_html_of_packages_is_not_served_from_our_origin(club: Club) -> None:
    vendor = "/static/vendor/swagger-ui-dist"
    assert (await club.call("GET", f"{vendor}/swagger-ui.css")).status == 200
    assert (await club.call("GET", f"{vendor}/index.html")).status == 404


async def test_sign_ins_beyond_what_can_be_served_are_told_to_come_back(hasty: Club) -> None:
    answers = await asyncio.gather(
        *(
            hasty.call("POST", "/api/auth/login", {"username": f"rush-{n}", "password": "x"})
            for n in range(20)
        )
    )
    assert {answer.status for answer in answers} == {401, 503}
    refused = next(answer for answer in answers if answer.status == 503)
    assert int(refused.headers["Retry-After"]) >= 1


async def test_member_whose_openings_wait_leaves_the_database_to_others(
    hasty: Club, dsn: str
) -> None:
    player = await hasty.person(balance=100)
    case = await hasty.create_case(price=1)
    assert (await player.opens(case)).status == 200
    holder = await asyncpg.connect(dsn)
    try:
        async with holder.transaction():
            await holder.execute("SELECT FROM seeds WHERE user_id = $1 FOR UPDATE", player.id)
            openings = [asyncio.create_task(player.opens(case)) for _ in range(10)]

            async def one_waits() -> bool:
                found = await holder.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")
                return bool(found)

            await until(one_waits, "an opening waits for the member's seed")
            stranger = await hasty.call("GET", "/api/cases")
            assert stranger.status == 200
    finally:
        await holder.close()
    assert [answer.status for answer in await asyncio.gather(*openings)] == [200] * 10
