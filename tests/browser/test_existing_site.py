"""A site that was there before the club: its own pages, its own origin, the club's client."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import Browser, expect

from server.config import Config
from tests.browser.pages import Window
from tests.club import Club
from tests.kit.kit import session_of

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


_README = Path(__file__).parents[2] / "clients" / "javascript" / "README.md"

_KIT_PAGE = """<!doctype html>
<html lang="en"><title>An old site</title><link rel="icon" href="data:,"><output>…</output>
<script type="module">
  import {{ CyberHub, describe }} from "{club}/client/index.js";
  const club = new CyberHub({{ url: "{club}" }});
  const show = (text) => (document.querySelector("output").textContent = text);
  club.setSession({session});
  club.on("state", (state) => show(describe(state)));
  club.on("balance:updated", ({{ balance }}) => show(`balance ${{balance}}`));
  club.start();
</script>
"""

# Preact speaks React's language, and is here.
_REACT_PAGE = """<!doctype html>
<html lang="en"><title>An old site</title><link rel="icon" href="data:,"><div id="app"></div>
<script type="importmap">{imports}</script>
<script type="module">
  import {{ CyberHub, describe }} from "{club}/client/index.js";
  import {{ render, useCallback, useState }} from "react";
{hooks}
  function Page() {{
    const {{ balance }} = useClubValue("snapshot") ?? {{}};
    const [last, setLast] = useState("nothing");
    useClubEvent("balance:updated", useCallback((data) => setLast(data.balance), []));
    const shown = `${{describe(useClubValue("state"))}}, ${{balance}}, ${{last}}`;
    return createElement("output", null, shown);
  }}
  const club = new CyberHub({{ url: "{club}" }});
  club.setSession({session});
  const page = createElement(ClubProvider, {{ club: club.start() }}, createElement(Page));
  render(page, document.getElementById("app"));
</script>
"""


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


async def test_page_of_another_origin_takes_the_kit_and_its_socketio_from_the_club(
    config: Config, site: Site, browser: Browser
) -> None:
    async with Club.open(replace(config, cors_origins=(site.origin,))) as club:
        player = await club.person(has_password=False)
        admin = await club.admin()
        session = json.dumps(await session_of(player))
        site.page = _KIT_PAGE.format(club=club.url, session=session)

        window = await Window.open(browser, site.origin)

        shown = window.page.locator("output")
        await expect(shown).to_have_text("online via websocket")
        await admin.post("/api/admin/balance/add", {"userId": player.id, "amount": 12.34})
        await expect(shown).to_have_text("balance 12.34")
        assert window.trouble == []
        await window.context.close()


async def test_hooks_of_the_readme_draw_what_the_kit_knows(
    config: Config, site: Site, browser: Browser
) -> None:
    section = _README.read_text().partition("## React")[2]
    hooks = re.search(r"```js\n(.*?)```", section, re.DOTALL)
    assert hooks is not None and hooks[1].count("\n") == 10
    async with Club.open(replace(config, cors_origins=(site.origin,))) as club:
        player = await club.person(balance=3, has_password=False)
        admin = await club.admin()
        vendor = f"{club.url}/static/vendor/preact"
        imports = {
            "react": f"{vendor}/compat/dist/compat.mjs",
            "preact": f"{vendor}/dist/preact.mjs",
            "preact/hooks": f"{vendor}/hooks/dist/hooks.mjs",
        }
        site.page = _REACT_PAGE.format(
            club=club.url,
            imports=json.dumps({"imports": imports}),
            hooks=hooks[1].replace("export ", ""),
            session=json.dumps(await session_of(player)),
        )

        window = await Window.open(browser, site.origin)

        shown = window.page.locator("output")
        await expect(shown).to_have_text("online via websocket, 3, nothing")
        await admin.post("/api/admin/balance/add", {"userId": player.id, "amount": 4})
        await expect(shown).to_have_text("online via websocket, 7, 7")
        assert window.trouble == []
        await window.context.close()
