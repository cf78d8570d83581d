"""Openings: drawing a prize out of a case, its proof, and what others see of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from server.club import draw, ledger
from server.club.accounts import mask
from server.club.cases import CaseName, CaseNotFound, Item, Line
from server.db import Transaction
from server.errors import ClubError

# An opening holds the member's seed, so that one seed serves one opening, the case's row lightly
# (whoever edits the case holds it alone), and the member's balance. Every table that is read is
# locked too: a statement that waited would see old rows of any other. PostgreSQL locks in the
# order of the last three lines.
_BEGIN = """
    SELECT server_seed, nonce, cases.name, cases.image, price_minor, lines_revision, balance_minor,
           nextval('openings_id_seq') AS id, nextval('inventory_id_seq') AS inventory_id,
           clock_timestamp() AS at
      FROM seeds, cases, users
     WHERE seeds.user_id = $1 AND users.id = $1 AND cases.id = $2 AND cases.removed_at IS NULL
       FOR UPDATE OF seeds
       FOR SHARE OF cases
       FOR NO KEY UPDATE OF users
"""

_LINES = """
    SELECT id, name, image, rarity, value_minor, weight, stock
      FROM case_items
     WHERE case_id = $1 AND removed_at IS NULL
  ORDER BY id
"""

_READ_SEED = "SELECT server_seed, nonce FROM seeds WHERE user_id = $1"

_FIRST_SEED = """
    INSERT INTO seeds (user_id, server_seed, nonce) VALUES ($1, $2, 1)
        ON CONFLICT ON CONSTRAINT seeds_pkey DO NOTHING
"""

_TAKE_FROM_STOCK = """
    UPDATE case_items SET stock = stock - 1 WHERE id = $1 AND stock > 0 RETURNING stock
"""

# Everything that an opening writes but the stock. What it would answer is known before.
_RECORD = f"""
    WITH {ledger.POSTED_KNOWN}, opening AS (
        INSERT INTO openings (id, user_id, case_id, item_id, price_minor, server_seed, client_seed,
                              nonce, roll, line_ids, at)
               OVERRIDING SYSTEM VALUE
        SELECT $5, $1, $6, $7, -$2, $8, $9, $10, $11, $12, $13 FROM posted
     RETURNING id, at
    ), next_seed AS (
        UPDATE seeds SET server_seed = $14, nonce = nonce + 1 FROM posted WHERE user_id = $1
    )
    INSERT INTO inventory (id, user_id, opening_id, won_at)
           OVERRIDING SYSTEM VALUE
    SELECT $15, $1, id, at FROM opening
"""

_OPENING = """
    SELECT openings.id, server_seed, client_seed, nonce, roll, line_ids, item_id
      FROM openings
     WHERE id = $1
"""

_OPENING_LINES = """
    SELECT id, name, image, rarity, value_minor, weight, NULL::bigint AS stock
      FROM case_items
     WHERE id = ANY($1::bigint[])
  ORDER BY id
"""

_DROPS = """
    SELECT openings.id, openings.at, users.username,
           line.id AS item_id, line.name, line.image, line.rarity, line.value_minor,
           cases.id AS case_id, cases.name AS case_name, cases.image AS case_image
      FROM openings
      JOIN users ON users.id = openings.user_id
      JOIN case_items AS line ON line.id = openings.item_id
      JOIN cases ON cases.id = openings.case_id
  ORDER BY openings.id DESC
     LIMIT $1
"""


# The lines of cases whose every line is without end. A trigger gives the case another revision
# with whatever else of them changes.
_endless: dict[UUID, tuple[Line, ...]] = {}
# Some ten times as many cases as a club has; with 200 lines each, some tens of megabytes.
_MOST_ENDLESS = 500


class OpeningNotFound(ClubError):
    status = 404
    code = "opening_not_found"
    sentence = "There is no such opening."


class SoldOut(ClubError):
    code = "sold_out"
    sentence = "Nothing is left in this case."


@dataclass(frozen=True, slots=True)
class Commitment:
    """What is shown before an opening: the hash of the seed that will decide it."""

    server_seed_hash: str
    nonce: int


@dataclass(frozen=True, slots=True)
class Proof:
    """What is shown after an opening, for anyone to check."""

    id: int
    server_seed_hash: str
    server_seed: str
    client_seed: str
    nonce: int
    roll: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Somebody won something; `user` is masked."""

    id: int
    user: str
    item: Item
    case: CaseName
    at: datetime


@dataclass(frozen=True, slots=True)
class Opened:
    """The outcome of an opening. `ran_out`: the line's last piece was won."""

    item: Line
    balance_minor: int
    inventory_id: int
    opening: Proof
    drop: Drop
    ran_out: bool


@dataclass(frozen=True, slots=True)
class Checked:
    """An opening on record, with the lines it was drawn from."""

    opening: Proof
    item: Line
    lines: tuple[Line, ...]


async def commitment(connection: Any, user_id: int) -> Commitment:
    """The hash of the seed for the member's next opening; made when first asked for."""
    seed = await connection.fetchrow(_READ_SEED, user_id)
    if seed is None:
        await connection.execute(_FIRST_SEED, user_id, draw.new_server_seed())
        seed = await connection.fetchrow(_READ_SEED, user_id)
    return Commitment(draw.seed_hash(seed["server_seed"]), seed["nonce"])


async def open_case(
    tx: Transaction,
    user_id: int,
    username: str,
    *,
    case_id: int,
    client_seed: str | None = None,
    new_server_seed: Callable[[], str] = draw.new_server_seed,
) -> Opened:
    """Take the price, draw, grant the prize.

    Raises: CaseNotFound, SoldOut, InsufficientBalance.
    """
    held = await tx.fetchrow(_BEGIN, user_id, case_id)
    if held is None:
        # No such case, or a member who never opened one.
        await tx.execute(_FIRST_SEED, user_id, new_server_seed())
        held = await tx.fetchrow(_BEGIN, user_id, case_id)
    if held is None:
        raise CaseNotFound()
    server_seed, nonce, name, image, price, revision, balance, id_, inventory_id, at = held
    if balance < price:
        raise ledger.InsufficientBalance()
    client_seed = client_seed or draw.new_client_seed()
    rolled, won, lines = await _draw(tx, case_id, revision, server_seed, client_seed, nonce)
    tx.send(
        _RECORD,
        user_id,
        -price,
        "open",
        f"case:{case_id}",
        id_,
        case_id,
        won.id,
        server_seed,
        client_seed,
        nonce,
        rolled,
        [line.id for line in lines],
        at,
        new_server_seed(),
        inventory_id,
    )
    return Opened(
        item=won,
        balance_minor=balance - price,
        inventory_id=inventory_id,
        opening=Proof(
            id_, draw.seed_hash(server_seed), server_seed, client_seed, nonce, rolled
        ),
        drop=Drop(id_, mask(username), won, CaseName(case_id, name, image), at),
        ran_out=won.stock == 0,
    )


async def check(connection: Any, opening_id: int) -> Checked:
    """An opening with everything needed to check it. Raises: OpeningNotFound."""
    row = await connection.fetchrow(_OPENING, opening_id)
    if row is None:
        raise OpeningNotFound()
    lines = tuple(
        Line(**line) for line in await connection.fetch(_OPENING_LINES, row["line_ids"])
    )
    proof = Proof(
        row["id"],
        draw.seed_hash(row["server_seed"]),
        row["server_seed"],
        row["client_seed"],
        row["nonce"],
        row["roll"],
    )
    won = next(line for line in lines if line.id == row["item_id"])
    return Checked(proof, won, lines)


async def drops(connection: Any, limit: int) -> list[Drop]:
    """The last prizes won by anyone, newest first."""
    return [
        Drop(
            row["id"],
            mask(row["username"]),
            item_won(row),
            case_opened(row),
            row["at"],
        )
        for row in await connection.fetch(_DROPS, limit)
    ]


async def _draw(
    tx: Transaction, case_id: int, revision: UUID, server_seed: str, client_seed: str, nonce: int
) -> tuple[int, Line, list[Line]]:
    # A line may run out between reading it and taking its last piece: then the draw is made
    # again from what is left, as if the other opening had come first. Each round loses a line.
    while True:
        lines = [
            line
            for line in await _lines(tx, case_id, revision)
            if line.stock is None or line.stock > 0
        ]
        if not lines:
            raise SoldOut()
        weights = [line.weight for line in lines]
        rolled = draw.roll(server_seed, client_seed, nonce, sum(weights))
        won = lines[draw.pick(weights, rolled)]
        if won.stock is None:
            return rolled, won, lines
        left = await tx.fetchval(_TAKE_FROM_STOCK, won.id)
        if left is not None:
            return rolled, replace(won, stock=left), lines


async def _lines(tx: Transaction, case_id: int, revision: UUID) -> tuple[Line, ...]:
    known = _endless.get(revision)
    if known is not None:
        return known
    lines = tuple(Line(**row) for row in await tx.fetch(_LINES, case_id))
    if all(line.stock is None for line in lines):
        if len(_endless) >= _MOST_ENDLESS:
            _endless.clear()
        _endless[revision] = lines
    return lines


def item_won(row: Any) -> Item:
    """From the columns item_id, name, image, rarity, value_minor."""
    return Item(row["item_id"], row["name"], row["image"], row["rarity"], row["value_minor"])


def case_opened(row: Any) -> CaseName:
    """From the columns case_id, case_name, case_image."""
    return CaseName(row["case_id"], row["case_name"], row["case_image"])
