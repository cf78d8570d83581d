"""`/client/…`: the kit's module is served, and nothing else of what lies beside it."""

import re

import pytest

from server.web.pages import PAGES
from tests.club import Club

_WAYS_AROUND = ("fetch(", "XMLHttpRequest", "EventSource", "socket.io-client", "/static/vendor")


async def test_the_module_and_all_that_it_imports_are_served(club: Club) -> None:
    wanted, seen, packages = ["index.js"], set(), set()
    while wanted:
        path = wanted.pop()
        seen.add(path)
        answer = await club.call("GET", f"/client/{path}")
        assert answer.status == 200, path
        assert answer.headers["Content-Type"].startswith("text/javascript")
        folder = path.rpartition("/")[0]
        for relative in re.findall(r'from "(\.{1,2}/[^"]+\.js)"', answer.body):
            parts = [*folder.split("/")] if folder else []
            for step in relative.split("/"):
                if step == "..":
                    parts.pop()
                elif step != ".":
                    parts.append(step)
            if (found := "/".join(parts)) not in seen:
                wanted.append(found)
        packages |= set(re.findall(r'(?:from|import\() ?"([^."][^"]*)"', answer.body))
    assert {"index.js", "lib/client.js", "lib/doors/socket.js"} <= seen
    assert packages == {"socket.io-client"}, "it depends on nothing else"


@pytest.mark.parametrize(
    "path", ["package.json", "README.md", "index.d.ts", "lib", "..%2f..%2fsetup.cfg", "nothing.js"]
)
async def test_what_no_browser_needs_is_not_served(club: Club, path: str) -> None:
    assert (await club.call("GET", f"/client/{path}")).status == 404


def test_pages_speak_with_the_server_through_the_kit_only() -> None:
    # The live page shows the stream of the plain doors: it is a listener of theirs.
    scripts = [path for path in PAGES.rglob("*.js") if path.parent.name != "live"]
    around = [
        (path.name, way) for path in scripts for way in _WAYS_AROUND if way in path.read_text()
    ]
    assert scripts
    assert around == []
