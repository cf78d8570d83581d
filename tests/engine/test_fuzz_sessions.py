"""Wild clients at every door: see fuzz_sessions, which goes on for longer."""

import random
from collections import Counter

import pytest

from tests.engine.fuzz_sessions import WAYS, fuzz


@pytest.mark.parametrize("way", WAYS)
async def test_a_server_outlives_wild_clients_and_forgets_them(way: str) -> None:
    did: Counter[str] = Counter()
    met: Counter[str] = Counter()

    await fuzz(way, [str(number) for number in range(2)], did, met)

    assert sum(did.values()) > 100
    # Some got as far as a bound, or this would say little.
    assert sum(met.values()) > 10


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
async def test_a_server_outlives_thousands_of_wild_clients(way: str) -> None:
    """Others each time; what fails is named by its seed."""
    seed = random.SystemRandom().randrange(1 << 32)
    await fuzz(way, [f"{seed}.{number}" for number in range(50)], Counter(), Counter())
