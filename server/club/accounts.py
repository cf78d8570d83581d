"""Accounts: who there is."""

import json
import re
import secrets
import unicodedata
from dataclasses import dataclass
from typing import Any

from server.db import Transaction
from server.errors import ClubError
from server.identity import Listener, Member

# Letters of one alphabet: "аdmin" with a Cyrillic first letter must not pass for "admin".
_LATIN = re.compile(r"[A-Za-z0-9_.-]{3,32}", re.ASCII)
_CYRILLIC = re.compile(r"[А-Яа-яЁё0-9_.-]{3,32}")

_INSERT = """
    INSERT INTO users (username, username_key, password_hash, role)
    VALUES ($1, $2, $3, $4)
        ON CONFLICT ON CONSTRAINT users_username_key DO NOTHING
 RETURNING id, username, role, balance_minor
"""

_FIND = "SELECT id, username, role, balance_minor FROM users WHERE id = $1"

_FIND_ALL = "SELECT id, username, role, balance_minor FROM users WHERE id = ANY($1::bigint[])"

# The member's dialogs, and the moment of the log at which that is so. Staff hear all of them.
_FIND_LISTENERS = """
    SELECT users.id, username, role, balance_minor,
           CASE WHEN role = 'member'
                THEN ARRAY(SELECT dialog_id FROM dialog_members WHERE user_id = users.id)
                ELSE '{}'
            END AS dialogs,
           (SELECT head FROM event_log_head) AS as_of
      FROM users
     WHERE users.id = ANY($1::bigint[])
"""

_FIND_BY_NAME = """
    SELECT id, username, role, balance_minor, password_hash FROM users WHERE username_key = $1
"""

_FIND_FOREIGN = "SELECT user_id FROM identities WHERE issuer = $1 AND subject = $2"

# One at a time for each identity, so that two first requests make one member.
_LOCK_IDENTITY = "SELECT pg_advisory_xact_lock(2, hashtext($1))"

_INSERT_IDENTITY = "INSERT INTO identities (issuer, subject, user_id) VALUES ($1, $2, $3)"

_LOCK = "SELECT id, username, role, balance_minor FROM users WHERE id = $1 FOR NO KEY UPDATE"

_SEARCH = """
    SELECT id, username, role, balance_minor
      FROM users
     WHERE ($1 = '' OR strpos(username_key, $1) > 0 OR id::text = $1)
       AND ($2::bigint IS NULL OR id < $2)
  ORDER BY id DESC
     LIMIT $3
"""

_ANY = "SELECT EXISTS (SELECT FROM users)"

_SET_ROLE = "UPDATE users SET role = $2, password_hash = coalesce($3, password_hash) WHERE id = $1"


class UsernameTaken(ClubError):
    code = "username_taken"
    sentence = "This name is taken."


class BadUsername(ClubError):
    code = "validation_failed"
    sentence = (
        "A name has 3 to 32 letters of one alphabet (Latin or Russian), digits, '_', '.' or '-'."
    )

    def __init__(self) -> None:
        super().__init__(fields={"username": [self.sentence]})


class UserNotFound(ClubError):
    status = 404
    code = "user_not_found"
    sentence = "There is no such member."


@dataclass(frozen=True, slots=True)
class Credentials:
    """A member and the hash that a password must match; None where there is no password."""

    member: Member
    password_hash: str | None


def username_key(username: str) -> str:
    """The form in which names are compared."""
    return unicodedata.normalize("NFKC", username).casefold()


def check_username(username: str) -> None:
    """Raises: BadUsername."""
    if not (_LATIN.fullmatch(username) or _CYRILLIC.fullmatch(username)):
        raise BadUsername()


async def register(
    tx: Transaction, username: str, password_hash: str | None, *, role: str = "member"
) -> Member:
    """Add an account. Raises: BadUsername, UsernameTaken."""
    check_username(username)
    row = await tx.fetchrow(_INSERT, username, username_key(username), password_hash, role)
    if row is None:
        raise UsernameTaken()
    return Member(**row)


async def set_role(
    tx: Transaction, user_id: int, role: str, password_hash: str | None = None
) -> None:
    """Give an account another role and, if there is one, a new password."""
    await tx.execute(_SET_ROLE, user_id, role, password_hash)


async def find(connection: Any, user_id: int) -> Member | None:
    row = await connection.fetchrow(_FIND, user_id)
    return row and Member(**row)


async def find_all(connection: Any, user_ids: list[int]) -> dict[int, Member]:
    """The members that there are of these, by id."""
    rows = await connection.fetch(_FIND_ALL, user_ids)
    return {row["id"]: Member(**row) for row in rows}


async def find_listeners(connection: Any, user_ids: list[int]) -> dict[int, Listener]:
    """The same, with where each of them is told things."""
    rows = await connection.fetch(_FIND_LISTENERS, user_ids)
    return {
        row["id"]: Listener(**(dict(row) | {"dialogs": tuple(row["dialogs"])})) for row in rows
    }


async def find_by_name(connection: Any, username: str) -> Credentials | None:
    row = await connection.fetchrow(_FIND_BY_NAME, username_key(username))
    if row is None:
        return None
    fields = dict(row)
    password_hash = fields.pop("password_hash")
    return Credentials(Member(**fields), password_hash)


async def find_foreign(connection: Any, issuer: str, subject: str) -> int | None:
    """The id of the member that a foreign identity is."""
    known: int | None = await connection.fetchval(_FIND_FOREIGN, issuer, subject)
    return known


async def welcome_foreign(tx: Transaction, issuer: str, subject: str) -> int:
    """The id of that member; made when the identity is seen for the first time."""
    identity = json.dumps([issuer, subject])
    await tx.fetchval(_LOCK_IDENTITY, identity)
    known = await find_foreign(tx, issuer, subject)
    if known is not None:
        return known
    # A random name: nobody can take one before its owner comes.
    member = await register(tx, f"guest-{secrets.token_hex(8)}", None)
    await tx.execute(_INSERT_IDENTITY, issuer, subject, member.id)
    return member.id


async def lock(tx: Transaction, user_id: int) -> Member:
    """Hold the member's row until the transaction ends. Raises: UserNotFound."""
    row = await tx.fetchrow(_LOCK, user_id)
    if row is None:
        raise UserNotFound()
    return Member(**row)


async def search(connection: Any, text: str, *, before: int | None, limit: int) -> list[Member]:
    """Accounts whose name contains the text, or whose id it is; newest first."""
    rows = await connection.fetch(_SEARCH, username_key(text), before, limit)
    return [Member(**row) for row in rows]


async def exist(connection: Any) -> bool:
    """Whether there is any account."""
    return bool(await connection.fetchval(_ANY))


def mask(username: str) -> str:
    """How strangers see a name: `ne***o`; never more than two letters from its start."""
    return f"{username[: min(2, len(username) - 2)]}***{username[-1]}"
