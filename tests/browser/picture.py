"""Makes the README's picture of the player's page: python -m tests.browser.picture docs/player.png

It is the demo club after some openings of three players, as a browser shows it.
"""

import asyncio
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.async_api import async_playwright, expect

from server import demo
from server.embedded_postgres import EmbeddedPostgres
from tests.browser.conftest import launch_options
from tests.browser.pages import Window, signed_in
from tests.club import PASSWORD, Club, Person
from tests.conftest import make_config


async def _picture(path: Path, dsn: str, var_dir: Path) -> None:
    async with Club.open(make_config(dsn, var_dir), prepare=demo.fill) as club:
        cases = (await club.call("GET", "/api/cases"))["cases"]
        owner = await _player(club, "NightOwl")
        others = [await _player(club, name) for name in ("luna.wave", "Ghost77")]
        await _play(cases, [*others, owner], count=14)
        async with async_playwright() as playwright:
            chromium = await playwright.chromium.launch(**launch_options())
            window = await Window.open(chromium, club.url, storage_state=await signed_in(owner))
            await window.shows_link("online")
            await expect(window.ticket("won").first).to_be_visible()
            await expect(window.part("transaction").first).to_be_visible()
            await window.page.wait_for_load_state("networkidle")
            await window.page.screenshot(path=path)
            await chromium.close()


async def _player(club: Club, username: str) -> Person:
    answer = await club.call(
        "POST", "/api/auth/register", {"username": username, "password": PASSWORD}
    )
    player = Person(club, answer["user"]["id"], username, answer["token"])
    admin = await club.admin()
    money = {"userId": player.id, "amount": 7_500}
    assert (await admin.post("/api/admin/balance/add", money)).status == 200
    return player


async def _play(cases: list[dict[str, Any]], people: list[Person], count: int) -> None:
    dice = random.Random(7)
    for n in range(count):
        player = people[n % len(people)]
        opened = await player.opens(dice.choice(cases))
        assert opened.status == 200, opened.body


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        postgres = EmbeddedPostgres(Path(folder) / "postgres", durable=False)
        postgres.start()
        try:
            asyncio.run(_picture(Path(sys.argv[1]), postgres.dsn(), Path(folder)))
        finally:
            postgres.stop()


if __name__ == "__main__":
    main()
