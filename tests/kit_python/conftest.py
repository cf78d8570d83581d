"""A network of the test's own between a bot and the club."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from urllib.parse import urlsplit

import pytest

from tests.clients.proxy import Proxy
from tests.club import Club
from tests.kit_python.teller import Teller


def through(club: Club) -> AbstractAsyncContextManager[Proxy]:
    port = urlsplit(club.url).port
    assert port is not None
    return Proxy.open(port)


@pytest.fixture
async def network(club: Club) -> AsyncIterator[Proxy]:
    async with through(club) as network:
        yield network


@pytest.fixture
async def teller(club: Club) -> Teller:
    return Teller(await club.person(has_password=False))
