"""What stories let happen in the club, without a door of its own."""

from events import BalanceUpdated, CasesUpdated
from server.club import ledger
from server.keys import DB
from tests.club import Club, Person


async def top_up(club: Club, person: Person, times: int = 1) -> None:
    """A hundredth on the person's balance, each in a transaction of its own, with its event."""
    for _ in range(times):
        async with club.app[DB].transaction() as tx:
            balance = await ledger.post(tx, person.id, 1, "deposit", "test")
            await club.sio.emit(BalanceUpdated(person.id, balance), tx=tx)


async def tell_all(club: Club, times: int = 1) -> None:
    """Events that everybody hears, in one transaction."""
    async with club.app[DB].transaction() as tx:
        for _ in range(times):
            await club.sio.emit(CasesUpdated(), tx=tx)


async def tell_much(club: Club, person: Person) -> None:
    """501 events, more than a connection takes that nobody reads from."""
    async with club.app[DB].transaction() as tx:
        await tx.execute(
            "INSERT INTO event_log (audience, name, payload)"
            " SELECT $1, 'long', json_build_object('text', repeat('x', 50000))"
            " FROM generate_series(1, 500)",
            f"user:{person.id}",
        )
    await tell_all(club)


async def here(club: Club) -> str:
    """The cursor of this moment."""
    return str((await club.call("GET", "/api/updates"))["cursor"])
