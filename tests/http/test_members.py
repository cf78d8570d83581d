"""Finding another member: by exactly the name, and not too often."""

import pytest

from server.config import Config
from tests.club import Club
from tests.conftest import make_config

BURST = 3


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    return make_config(
        dsn, tmp_path_factory.mktemp("var"), lookups_burst=BURST, lookups_per_minute=1.0
    )


async def test_member_is_found_by_the_name_however_it_is_written(club: Club) -> None:
    player = await club.person(has_password=False)
    other = await club.person(has_password=False)
    asked = await player.get(f"/api/members?username={other.username.upper()}")
    assert asked.status == 200
    assert asked["member"] == {"id": other.id, "username": other.username}


@pytest.mark.parametrize("name", ["", "member", "nobody.like.this", "%25"])
async def test_part_of_a_name_finds_nobody(club: Club, name: str) -> None:
    player = await club.person(has_password=False)
    asked = await player.get(f"/api/members?username={name}")
    assert (asked.status, asked["code"]) == (404, "user_not_found")


async def test_service_accounts_are_nobody(club: Club) -> None:
    player = await club.person(has_password=False)
    service = await club.person(role="service", has_password=False)
    assert (await player.get(f"/api/members?username={service.username}")).status == 404
    assert (await service.get(f"/api/members?username={player.username}")).status == 403


async def test_visitors_and_bad_queries_are_refused(club: Club) -> None:
    player = await club.person(has_password=False)
    assert (await club.call("GET", f"/api/members?username={player.username}")).status == 401
    for query in ("", "?name=x"):
        assert (await player.get(f"/api/members{query}")).status == 400


async def test_names_are_not_tried_out(club: Club) -> None:
    player = await club.person(has_password=False)
    staff = await club.person(role="staff", has_password=False)
    path = f"/api/members?username={player.username}"
    statuses = [(await player.get(path)).status for _ in range(BURST + 1)]
    assert statuses == [200] * BURST + [429]
    assert int((await player.get(path)).headers["Retry-After"]) > 0
    # Who works here looks people up all day.
    assert {(await staff.get(path)).status for _ in range(BURST + 1)} == {200}
