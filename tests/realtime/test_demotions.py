"""Who is not staff any more hears nothing more as staff, at whichever door that was opened."""

from contextlib import AsyncExitStack

import pytest

from server.config import Config
from server.keys import FEEDS, SOCKETS
from tests.club import Club, Person, until
from tests.conftest import make_config
from tests.dialogs import begins, people, writes
from tests.realtime.test_all_doors import DOORS
from tests.realtime.test_dialog_rooms import Door, here, texts_until


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    return make_config(dsn, tmp_path_factory.mktemp("var"), role_check_s=0.05)


async def hears_nothing(club: Club, person: Person) -> bool:
    """Whether nothing is open that was opened while the person was staff."""
    there = [*club.app[SOCKETS].all(), *club.app[FEEDS].all()]
    members = [each.who.member for each in there if each.who is not None]
    return not any(member.id == person.id and member.is_staff for member in members)


@pytest.mark.parametrize("door", DOORS)
async def test_who_is_staff_no_more_is_cut_and_comes_back_as_a_member(
    club: Club, door: Door
) -> None:
    player, _, staff = await people(club)
    colleague = await club.person(role="staff", has_password=False)
    secret, own = await begins(player), await begins(player, staff)
    start = await here(club)
    async with AsyncExitStack() as opened:
        hears = await opened.enter_async_context(door(club, staff, start))
        others = await opened.enter_async_context(door(club, colleague, start))
        await writes(colleague, secret, "A note", internal=True)
        assert await texts_until(hears, "A note") == ["A note"]

        await club.give_role(staff, "member")

        await until(lambda: hears_nothing(club, staff), "what was opened as staff has ended")
        await writes(player, secret, "Not for him")
        await writes(colleague, own, "Another note", internal=True)
        await writes(player, own, "For him")
        # Those who are staff hear on, on the connection that they have.
        assert await texts_until(others, "For him") == [
            "A note",
            "Not for him",
            "Another note",
            "For him",
        ]
    async with door(club, staff, start) as hears:
        assert await texts_until(hears, "For him") == ["For him"]
