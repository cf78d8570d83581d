"""How many sockets one member may have: past it another is refused, and those who are in stay."""

from pathlib import Path
from typing import Any

import pytest

from server.config import Config
from server.keys import SOCKETS
from tests.club import Club, Person, SocketDoor, until
from tests.conftest import make_config

MOST = 3


@pytest.fixture(scope="module")
def config(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Config:
    var_dir: Path = tmp_path_factory.mktemp("var")
    return make_config(dsn, var_dir, sockets_per_member=MOST)


def claim(person: Person) -> dict[str, Any]:
    return {"userId": person.id, "token": person.token}


async def settled(club: Club, count: int) -> None:
    """Wait until the club has so many sockets."""

    async def is_so() -> bool:
        return len(club.app[SOCKETS]) == count

    await until(is_so, f"{count} sockets")


async def test_one_socket_too_many_is_refused_at_connect_and_leaves_no_trace(
    club: Club, player: Person, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    doors: list[Any] = [await player.comes(transport) for _ in range(MOST)]

    refused = await SocketDoor(club, transport, {"token": player.token}).refusal()

    assert refused["data"]["code"] == "too_many_sockets"
    assert refused["message"] == "This account has too many connections open."
    await settled(club, MOST)
    assert not caplog.records
    # Those who are in hear as before, and somebody else comes in.
    await club.tell_everybody()
    for door in doors:
        await door.hears("cases:updated")
    other = await club.person()
    await other.comes(transport)
    await other.leave()


async def test_one_socket_too_many_is_refused_when_it_says_who_it_is_and_stays_anonymous(
    club: Club, player: Person, transport: str
) -> None:
    for _ in range(MOST):
        await player.comes(transport)
    visitor = await club.visitor(transport)

    ack = await visitor.ask("user:identify", claim(player))

    assert (ack["success"], ack["code"]) == (False, "too_many_sockets")
    # It is somebody else's as before.
    other = await club.person()
    assert (await visitor.ask("user:identify", claim(other)))["success"]
    await visitor.close()
    await other.leave()


async def test_a_socket_that_says_again_who_it_is_is_not_counted_twice(
    club: Club, player: Person, transport: str
) -> None:
    doors: list[Any] = [await player.comes(transport) for _ in range(MOST)]

    for door in doors:
        assert (await door.ask("user:identify", claim(player)))["success"]


@pytest.mark.parametrize("how", ["leaves", "becomes another member's"])
async def test_a_socket_that_is_no_longer_the_members_makes_room(
    club: Club, player: Person, transport: str, how: str
) -> None:
    doors: list[Any] = [await player.comes(transport) for _ in range(MOST)]
    other = await club.person()

    if how == "leaves":
        await doors[0].close()
        await settled(club, MOST - 1)
    else:
        assert (await doors[0].ask("user:identify", claim(other)))["success"]

    assert (await one_more(club, transport, player))["success"]


async def one_more(club: Club, transport: str, player: Person) -> Any:
    """The ack of one more socket of the player's."""
    door: Any = await player.comes(transport)
    return await door.ask("user:identify", claim(player))
