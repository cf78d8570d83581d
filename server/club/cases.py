"""Cases: what there is to open, and opening one."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from server.club import draw, ledger
from server.club.accounts import mask
from server.db import Transaction
from server.errors import ClubError

_LIST = """
    SELECT cases.id, cases.name, cases.image, cases.price_minor,
           line.id AS line_id, line.name AS line_name, line.image AS line_image,
           line.rarity, line.value_minor, line.weight, line.stock
      FROM cases
      JOIN case_items AS line ON line.case_id = cases.id AND line.removed_at IS NULL
     WHERE cases.removed_at IS NULL AND ($1::bigint IS NULL OR cases.id = $1)
  ORDER BY cases.id, line.id
"""

# An opening holds the member's seed, so that one seed serves one opening, and the case's row
# lightly; whoever edits the case holds it alone. Every table that is read is locked too: a
# statement that waited would see old rows of any other.
_BEGIN = """
    SELECT server_seed, nonce, cases.name, cases.image, price_minor
      FROM seeds, cases
     WHERE seeds.user_id = $1 AND cases.id = $2 AND cases.removed_at IS NULL
       FOR UPDATE OF seeds
       FOR SHARE OF cases
"""

_LOCK = "SELECT id FROM cases WHERE id = $1 AND removed_at IS NULL FOR UPDATE"

_LINES = """
    SELECT id, name, image, rarity, value_minor, weight, stock
      FROM case_items
     WHERE case_id = $1 AND removed_at IS NULL
  ORDER BY id
"""

_INSERT = "INSERT INTO cases (name, image, price_minor) VALUES ($1, $2, $3) RETURNING id"

_INSERT_LINES = """
    INSERT INTO case_items (case_id, name, image, rarity, value_minor, weight, stock)
    SELECT $1, name, image, rarity, value_minor, weight, stock
      FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[])
           WITH ORDINALITY AS line (name, image, rarity, value_minor, weight, stock, n)
  ORDER BY n
"""

_REMOVE_LINES = """
    UPDATE case_items SET removed_at = now() WHERE case_id = $1 AND removed_at IS NULL
"""

_UPDATE = "UPDATE cases SET name = $2, image = $3, price_minor = $4 WHERE id = $1"

_SET_PRICE = "UPDATE cases SET price_minor = $2 WHERE id = $1"

_REMOVE = "UPDATE cases SET removed_at = now() WHERE id = $1"

_READ_SEED = "SELECT server_seed, nonce FROM seeds WHERE user_id = $1"

_FIRST_SEED = """
    INSERT INTO seeds (user_id, server_seed, nonce) VALUES ($1, $2, 1)
        ON CONFLICT ON CONSTRAINT seeds_pkey DO NOTHING
"""

_TAKE_FROM_STOCK = """
    UPDATE case_items SET stock = stock - 1 WHERE id = $1 AND stock > 0 RETURNING stock
"""

_RECORD = """
    WITH opening AS (
        INSERT INTO openings (user_id, case_id, item_id, price_minor, server_seed, client_seed,
                              nonce, roll, line_ids)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     RETURNING id, at
    ), prize AS (
        INSERT INTO inventory (user_id, opening_id, won_at)
        SELECT $1, id, at FROM opening
     RETURNING id
    ), next_seed AS (
        UPDATE seeds SET server_seed = $10, nonce = nonce + 1 WHERE user_id = $1
    )
    SELECT opening.id, opening.at, prize.id AS inventory_id FROM opening, prize
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


class CaseNotFound(ClubError):
    status = 404
    code = "case_not_found"
    sentence = "There is no such case."


class OpeningNotFound(ClubError):
    status = 404
    code = "opening_not_found"
    sentence = "There is no such opening."


class SoldOut(ClubError):
    code = "sold_out"
    sentence = "Nothing is left in this case."


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a case: a prize and its weight. `stock` None means without end."""

    id: int
    name: str
    image: str
    rarity: str
    value_minor: int
    weight: int
    stock: int | None
    chance: float = 0.0


@dataclass(frozen=True, slots=True)
class CaseName:
    id: int
    name: str
    image: str


@dataclass(frozen=True, slots=True)
class Case:
    """A case with its lines; the chances count only lines in stock and sum to 1."""

    id: int
    name: str
    image: str
    price_minor: int
    items: tuple[Line, ...]


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
    item: Line
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


async def list_cases(connection: Any) -> list[Case]:
    """Every case, with chances."""
    return _cases(await connection.fetch(_LIST, None))


async def get_case(connection: Any, case_id: int) -> Case:
    """Raises: CaseNotFound."""
    found = _cases(await connection.fetch(_LIST, case_id))
    if not found:
        raise CaseNotFound()
    return found[0]


async def create(
    tx: Transaction, *, name: str, image: str, price: int, items: Iterable[Mapping[str, Any]]
) -> Case:
    """Add a case; `price` and the items' `value` are minor units."""
    case_id = await tx.fetchval(_INSERT, name, image, price)
    await _insert_lines(tx, case_id, items)
    return await get_case(tx, case_id)


async def change(
    tx: Transaction,
    case_id: int,
    *,
    name: str,
    image: str,
    price: int,
    items: Iterable[Mapping[str, Any]],
) -> Case:
    """Give a case another name, image, price and lines. Raises: CaseNotFound."""
    await _lock(tx, case_id)
    await tx.execute(_UPDATE, case_id, name, image, price)
    await _replace_lines(tx, case_id, items)
    return await get_case(tx, case_id)


async def change_items(
    tx: Transaction, case_id: int, *, items: Iterable[Mapping[str, Any]]
) -> Case:
    """Replace the lines of a case. Raises: CaseNotFound."""
    await _lock(tx, case_id)
    await _replace_lines(tx, case_id, items)
    return await get_case(tx, case_id)


async def change_price(tx: Transaction, case_id: int, *, price: int) -> Case:
    """Raises: CaseNotFound."""
    await _lock(tx, case_id)
    await tx.execute(_SET_PRICE, case_id, price)
    return await get_case(tx, case_id)


async def remove(tx: Transaction, case_id: int) -> Case:
    """Take a case out of the club; what was won from it stays. Raises: CaseNotFound."""
    await _lock(tx, case_id)
    case = await get_case(tx, case_id)
    await tx.execute(_REMOVE, case_id)
    return case


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
    server_seed, nonce, name, image, price = held
    client_seed = client_seed or draw.new_client_seed()
    balance = await ledger.post(tx, user_id, -price, "open", f"case:{case_id}")
    rolled, won, lines = await _draw(tx, case_id, server_seed, client_seed, nonce)
    recorded = await tx.fetchrow(
        _RECORD,
        user_id,
        case_id,
        won.id,
        price,
        server_seed,
        client_seed,
        nonce,
        rolled,
        [line.id for line in lines],
        new_server_seed(),
    )
    return Opened(
        item=won,
        balance_minor=balance,
        inventory_id=recorded["inventory_id"],
        opening=Proof(
            recorded["id"], draw.seed_hash(server_seed), server_seed, client_seed, nonce, rolled
        ),
        drop=Drop(
            recorded["id"],
            mask(username),
            won,
            CaseName(case_id, name, image),
            recorded["at"],
        ),
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
            Line(
                row["item_id"],
                row["name"],
                row["image"],
                row["rarity"],
                row["value_minor"],
                weight=0,
                stock=None,
            ),
            CaseName(row["case_id"], row["case_name"], row["case_image"]),
            row["at"],
        )
        for row in await connection.fetch(_DROPS, limit)
    ]


async def _draw(
    tx: Transaction, case_id: int, server_seed: str, client_seed: str, nonce: int
) -> tuple[int, Line, list[Line]]:
    # A line may run out between reading it and taking its last piece: then the draw is made
    # again from what is left, as if the other opening had come first. Each round loses a line.
    while True:
        lines = [
            line
            for line in (Line(**row) for row in await tx.fetch(_LINES, case_id))
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


async def _lock(tx: Transaction, case_id: int) -> None:
    if await tx.fetchval(_LOCK, case_id) is None:
        raise CaseNotFound()


async def _replace_lines(
    tx: Transaction, case_id: int, items: Iterable[Mapping[str, Any]]
) -> None:
    await tx.execute(_REMOVE_LINES, case_id)
    await _insert_lines(tx, case_id, items)


async def _insert_lines(
    tx: Transaction, case_id: int, items: Iterable[Mapping[str, Any]]
) -> None:
    lines = list(items)
    await tx.execute(
        _INSERT_LINES,
        case_id,
        *(
            [line[column] for line in lines]
            for column in ("name", "image", "rarity", "value", "weight", "stock")
        ),
    )


def _cases(rows: Iterable[Any]) -> list[Case]:
    lines: dict[int, list[Line]] = {}
    heads: dict[int, Any] = {}
    for row in rows:
        heads[row["id"]] = row
        lines.setdefault(row["id"], []).append(
            Line(
                row["line_id"],
                row["line_name"],
                row["line_image"],
                row["rarity"],
                row["value_minor"],
                row["weight"],
                row["stock"],
            )
        )
    return [
        Case(head["id"], head["name"], head["image"], head["price_minor"], _chances(lines[id_]))
        for id_, head in heads.items()
    ]


def _chances(lines: list[Line]) -> tuple[Line, ...]:
    shares = draw.chances([0 if line.stock == 0 else line.weight for line in lines])
    return tuple(replace(line, chance=share) for line, share in zip(lines, shares, strict=True))
