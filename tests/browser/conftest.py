"""A real browser for the pages: Chromium, one for the run, a window of their own for everybody."""

import dataclasses
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Browser, async_playwright, expect

from tests.browser.pages import Window, signed_in
from tests.club import PATIENCE_S, Club, Person

NO_CHROMIUM = "The page tests need Chromium. Run as root: apt-get install -y chromium"

_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")

# What a browser does besides showing pages is noise here.
_QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

OpensWindow = Callable[..., Awaitable[Window]]


def launch_options() -> dict[str, Any]:
    """How Chromium is started. Raises: LookupError, with what to do about it."""
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        raise LookupError(NO_CHROMIUM)
    # Chromium refuses to run as root inside its own sandbox.
    as_root = ("--no-sandbox",) if os.getuid() == 0 else ()
    return {"executable_path": path, "args": [*as_root, *_QUIET]}


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    try:
        options = launch_options()
    except LookupError as error:
        pytest.fail(str(error), pytrace=False)
    expect.set_options(timeout=PATIENCE_S * 1000)
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(**options)
        yield chromium
        await chromium.close()


@pytest.fixture
async def window(browser: Browser, club: Club) -> AsyncIterator[OpensWindow]:
    """Opens windows at the module's club, each in a browser profile of its own.

    At the end none of them may have seen an error that its story did not announce.
    """
    opened: list[Window] = []

    async def open_window(
        path: str = "/",
        *,
        who: Person | None = None,
        at: Club = club,
        **options: Any,
    ) -> Window:
        if who is not None:
            options["storage_state"] = await signed_in(dataclasses.replace(who, club=at))
        one = await Window.open(browser, at.url, path, **options)
        opened.append(one)
        return one

    yield open_window
    for one in opened:
        await one.context.close()
    trouble = [line for one in opened for line in one.trouble]
    assert trouble == []
