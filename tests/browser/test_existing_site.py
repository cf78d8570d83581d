"""A site that was there before the club: its own pages, its own origin, the club's client."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import web
from playwright.async_api import Browser, expect

from server.config import Config
from tests.browser.pages import Window
from tests.club import Club

_PAGE = """<!doctype html>
<html lang="en"><title>An old site</title><link rel="icon" href="data:,"><output>…</output>
{load}
  const socket = io("{club}");
  const show = (text) => (document.querySelector("output").textContent = text);
  socket.on("connect", () =>
    socket.emit("user:identify", {{ userId: {id}, token: "{token}" }}, (answer) =>
      show(answer.success ? "identified" : answer.code)));
  socket.on("balance:updated:{id}", ({{ balance }}) => show(`balance ${{balance}}`));
</script>
"""

_LOADS = {
    "script": '<script src="{club}/socket.io/socket.io.js"></script><script>',
    "smaller script": '<script src="{club}/socket.io/socket.io.min.js"></script><script>',
    "module": '<script type="module">import {{ io }} from "{club}/socket.io/socket.io.esm.min.js";',
}


class Site:
    """Serves one page, whatever it is at the moment."""

    def __init__(self) -> None:
        self.page = ""
        app = web.Application()
        app.router.add_get("/", self._show)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        # Another name than the club's: another origin, and another site to the browser.
        self.origin = f"http://localhost:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _show(self, request: web.Request) -> web.Response:
        return web.Response(text=self.page, content_type="text/html")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    await site.start()
    yield site
    await site.stop()


@pytest.mark.parametrize("load", list(_LOADS))
async def test_page_keeps_its_script_tag_and_hears_of_its_member(
    config: Config, site: Site, browser: Browser, load: str
) -> None:
    async with Club.open(replace(config, cors_origins=(site.origin,))) as club:
        player = await club.person(has_password=False)
        admin = await club.admin()
        words = {"club": club.url, "id": player.id, "token": player.token}
        site.page = _PAGE.format(load=_LOADS[load].format(**words), **words)

        window = await Window.open(browser, site.origin)

        shown = window.page.locator("output")
        await expect(shown).to_have_text("identified")
        await admin.post("/api/admin/balance/add", {"userId": player.id, "amount": 12.34})
        await expect(shown).to_have_text("balance 12.34")
        assert window.trouble == []
        await window.context.close()
