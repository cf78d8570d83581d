"""Plans and the bell follow what happens, over every way to be connected."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from server.config import Config
from tests.browser.conftest import OpensWindow
from tests.browser.ways import WAYS, Way
from tests.club import Club
from tests.conftest import make_config
from tests.events import answers, event, holds


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: way.name)
def way(request: pytest.FixtureRequest) -> Way:
    chosen: Way = request.param
    return chosen


@pytest.fixture(scope="module")
def config(dsn: str, way: Way, tmp_path_factory: pytest.TempPathFactory) -> Config:
    var_dir: Path = tmp_path_factory.mktemp("var")
    return make_config(dsn, var_dir, realtime_enabled=way.realtime)


async def test_event_and_bell_follow_in_an_open_window(
    club: Club, window: OpensWindow, way: Way
) -> None:
    owner, guest, other = [await club.person(has_password=False) for _ in range(3)]
    at_home = await window("/calendar", who=guest, transport=way.transport)
    await at_home.shows_link("online", way.transport)

    made = await holds(owner, guest, other, title=f"Cup over {way.name}", capacity=1)
    await at_home.rings(1)
    await expect(at_home.part("bell-told")).to_contain_text(f"“\u2068Cup over {way.name}\u2069”")
    await at_home.press("bell")
    await at_home.notice("invitation").get_by_role("link").click()
    await at_home.rings(0)

    assert (await answers(other, made, "accepted")).status == 200
    await at_home.sees(other, "accepted")
    await at_home.answers("accepted", "waiting")
    assert (await answers(other, made, "declined")).status == 200
    await at_home.is_said("accepted")
    await at_home.rings(1)
    moved = event(title=made["title"], capacity=1, location="Yard")
    await owner.call("PUT", f"/api/events/{made['id']}", moved)
    await expect(at_home.part("event-where")).to_have_text("Yard")
    await owner.call("DELETE", f"/api/events/{made['id']}")
    await expect(at_home.part("event-cancelled")).to_contain_text("cancelled")
    await at_home.rings(2)
    assert at_home.loads == 1
