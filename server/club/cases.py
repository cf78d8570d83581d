"""Cases: what there is to open, and the admin's editing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from server.club import draw
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

_LOCK = "SELECT id FROM cases WHERE id = $1 AND removed_at IS NULL FOR UPDATE"

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


class CaseNotFound(ClubError):
    status = 404
    code = "case_not_found"
    sentence = "There is no such case."


@dataclass(frozen=True, slots=True)
class Item:
    """Something that can be won."""

    id: int
    name: str
    image: str
    rarity: str
    value_minor: int


@dataclass(frozen=True, slots=True)
class Line(Item):
    """A line of a case: a prize and its weight. `stock` None means without end."""

    weight: int
    stock: int | None
    chance: float = 0.0


@dataclass(frozen=True, slots=True)
class CaseName:
    """The case that something came from."""

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
