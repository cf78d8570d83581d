"""Topping up in the demo: the pay page in one tab, the money in the other."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from server.config import Config
from tests.browser.conftest import OpensWindow
from tests.club import Club, line
from tests.conftest import make_config


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    var_dir: Path = tmp_path_factory.mktemp("var")
    return make_config(dsn, var_dir, demo=True)


async def test_player_short_of_money_tops_up_from_the_case_and_opens_it(
    club: Club, window: OpensWindow
) -> None:
    player = await club.person(balance=10, has_password=False)
    case = await club.create_case(price=60.5, items=[line("Headset")])
    at_seat = await window(who=player)
    await at_seat.case(case["id"]).click()
    await expect(at_seat.part("case-view")).to_contain_text("50.50 more is needed")

    await at_seat.press("topup-offer")
    await expect(at_seat.part("topup-amount")).to_have_value("51")
    async with at_seat.context.expect_page() as opened:
        await at_seat.press("topup-create")
    pay_page = await opened.value
    await pay_page.get_by_test_id("pay").click()
    await expect(pay_page.get_by_test_id("paid")).to_be_visible()

    await at_seat.shows_balance(61)
    await expect(at_seat.part("payment")).to_contain_text("has arrived")
    await at_seat.page.keyboard.press("Escape")
    await at_seat.press("open-case")
    await expect(at_seat.part("reveal-item")).to_have_text("Headset")
    await at_seat.shows_balance(0.5)
    assert at_seat.loads == 1


async def test_player_who_types_no_amount_is_told_and_asks_for_no_payment(
    club: Club, window: OpensWindow
) -> None:
    at_seat = await window(who=await club.person(has_password=False))
    await at_seat.press("topup")
    await at_seat.part("topup-amount").fill("1e3")
    await at_seat.press("topup-create")
    await expect(at_seat.part("error")).to_contain_text("Enter an amount")
    await expect(at_seat.part("payment")).to_have_count(0)
