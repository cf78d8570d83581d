"""Who is in the club, and how they come."""

from collections.abc import AsyncIterator

import pytest

from tests.club import Club, Person


@pytest.fixture(params=["websocket", "polling"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def player(club: Club) -> AsyncIterator[Person]:
    person = await club.person()
    yield person
    await person.leave()
