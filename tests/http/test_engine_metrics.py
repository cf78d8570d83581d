"""What an operator sees of the engine's bounds at `/metrics`."""

import re
from dataclasses import fields

import aiohttp

from server.engine.limits import Counters
from tests.club import Club


async def bounds_met(http: aiohttp.ClientSession, club: Club) -> dict[str, float]:
    async with http.get(f"{club.url}/metrics") as response:
        text = await response.text()
    found = re.findall(r'^cyberhub_engine_bounds_met_total\{bound="(\w+)"\} (\S+)$', text, re.M)
    return {name: float(count) for name, count in found}


async def test_every_bound_that_is_met_is_seen_by_an_operator(club: Club) -> None:
    async with aiohttp.ClientSession() as http:
        before = await bounds_met(http, club)
        assert before.keys() == {each.name for each in fields(Counters)}

        headers = {"Origin": "https://elsewhere.example"}
        handshake = f"{club.url}/socket.io/?EIO=4&transport=polling"
        async with http.get(handshake, headers=headers) as response:
            assert response.status == 403

        after = await bounds_met(http, club)
        assert after == before | {"refused_origins": before["refused_origins"] + 1}
