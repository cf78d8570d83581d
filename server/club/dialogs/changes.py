"""What can happen in a dialog. Each function is given an open transaction.

Locks are taken in this order: the members' rows by id, then the dialog's.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from server.club.accounts import UserNotFound
from server.club.dialogs.held import Held, Seat, hold
from server.club.dialogs.views import Dialog, Message, MessageNotFound, Person, Update
from server.db import Transaction
from server.errors import ClubError, Forbidden
from server.identity import Member

# Whoever joins a dialog is held, so that nobody comes to be in more than is allowed.
_LOCK_PEOPLE = """
    SELECT id, username, role
      FROM users
     WHERE id = ANY($1::bigint[]) AND role <> 'service'
  ORDER BY id
       FOR NO KEY UPDATE
"""

# Apart, so that nobody keeps others from beginning a dialog by taking them into many.
_COUNT_DIALOGS = """
    SELECT user_id,
           count(*) FILTER (WHERE created_by = user_id) AS begun,
           count(*) FILTER (WHERE created_by <> user_id) AS joined
      FROM dialog_members JOIN dialogs ON dialogs.id = dialog_id
     WHERE user_id = ANY($1::bigint[])
  GROUP BY user_id
"""

_NEW_IDS = """
    SELECT nextval('dialogs_id_seq') AS dialog_id, nextval('messages_id_seq') AS message_id,
           clock_timestamp() AS at
"""

_MAKE = """
    INSERT INTO dialogs (id, subject, created_by, created_at, updated_at, message_count,
                         public_count, last_message_id, last_public_message_id, staff_read)
           OVERRIDING SYSTEM VALUE
    VALUES ($1, $2, $3, $4, $4, 1, 1, $5, $5, $6)
"""

_SIT_DOWN = """
    INSERT INTO dialog_members (dialog_id, user_id, joined_at, read_count)
    SELECT $1, user_id, $2, CASE WHEN user_id = $4 THEN $5::bigint ELSE $6::bigint END
      FROM unnest($3::bigint[]) AS user_id
"""

_FIRST_MESSAGE = """
    INSERT INTO messages (id, dialog_id, sender_id, text, internal, at, number, public_number)
           OVERRIDING SYSTEM VALUE
    VALUES ($1, $2, $3, $4, false, $5, 1, 1)
"""

# Nothing is written if the message came before.
_SEND = """
    WITH fresh AS (
        INSERT INTO messages (dialog_id, sender_id, text, internal, local_id, number, public_number)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT ON CONSTRAINT messages_local_id DO NOTHING
     RETURNING id, at
    ), counted AS (
        UPDATE dialogs
           SET message_count = $6, public_count = $7, staff_read = $8, status = $9,
               last_message_id = fresh.id,
               last_public_message_id = CASE WHEN $4 THEN last_public_message_id ELSE fresh.id END,
               updated_at = CASE WHEN $4 THEN updated_at ELSE fresh.at END
          FROM fresh
         WHERE dialogs.id = $1
    ), seat AS (
        UPDATE dialog_members SET read_count = $7 FROM fresh WHERE dialog_id = $1 AND user_id = $2
    )
    SELECT id, at FROM fresh
"""

_SENT_BEFORE = """
    SELECT id, text, internal, at
      FROM messages
     WHERE dialog_id = $1 AND sender_id = $2 AND local_id = $3
"""

_NUMBERS = "SELECT number, public_number, internal FROM messages WHERE id = $1 AND dialog_id = $2"

_STAFF_READ = "UPDATE dialogs SET staff_read = $2 WHERE id = $1"

_MEMBER_READ = """
    UPDATE dialog_members SET read_count = $3 WHERE dialog_id = $1 AND user_id = $2
"""

_EDIT = """
    UPDATE dialogs SET status = $2, assignee_id = $3, updated_at = clock_timestamp()
     WHERE id = $1
 RETURNING updated_at
"""

_PERSON = "SELECT id, username, role FROM users WHERE id = $1"

_STAND_UP = "DELETE FROM dialog_members WHERE dialog_id = $1 AND user_id = $2"

_TOUCH = "UPDATE dialogs SET updated_at = clock_timestamp() WHERE id = $1 RETURNING updated_at"

#: What `edit` leaves as it is.
SAME: Any = object()


class TooManyMembers(ClubError):
    code = "too_many_members"
    sentence = "A dialog cannot have so many members."


class TooManyDialogs(ClubError):
    code = "too_many_dialogs"
    sentence = "You have begun too many dialogs: leave one of them."


class AssigneeNotStaff(ClubError):
    code = "assignee_not_staff"
    sentence = "A dialog is assigned to one of the staff."


@dataclass(frozen=True, slots=True)
class DialogLimits:
    """How many members a dialog may have; in how many a player may be that he began himself, and
    into how many other players may take him. Staff take whom they need into any."""

    members: int
    begun: int
    joined: int


@dataclass(frozen=True, slots=True)
class Begun:
    """A new dialog with its first message; `joined` are its members."""

    dialog: Dialog
    message: Message
    updates: list[Update]
    joined: list[int]


@dataclass(frozen=True, slots=True)
class Sent:
    """`updates` is empty for a message that came before."""

    message: Message
    updates: list[Update]


@dataclass(frozen=True, slots=True)
class Read:
    unread: int
    updates: list[Update]


@dataclass(frozen=True, slots=True)
class Changed:
    """A dialog that was changed; if `updates` is empty, it was so before."""

    dialog: Dialog
    updates: list[Update]


async def create(
    tx: Transaction,
    member: Member,
    *,
    subject: str,
    member_ids: Collection[int],
    text: str,
    limits: DialogLimits,
) -> Begun:
    """Begin a dialog of the member, the others named, and the staff.

    Raises: UserNotFound, TooManyMembers, TooManyDialogs.
    """
    ids = {member.id, *member_ids}
    if len(ids) > limits.members:
        raise TooManyMembers()
    people = await _lock_people(tx, ids)
    if not member.is_staff:
        await _check_counts(tx, member, people.values(), limits)
    dialog_id, message_id, at = await tx.fetchrow(_NEW_IDS)
    read_by_staff = int(member.is_staff)
    tx.send(_MAKE, dialog_id, subject, member.id, at, message_id, read_by_staff)
    tx.send(_SIT_DOWN, dialog_id, at, sorted(ids), member.id, 1, 0)
    tx.send(_FIRST_MESSAGE, message_id, dialog_id, member.id, text, at)
    held = Held(dialog_id, subject, "open", at, 1, 1, read_by_staff, message_id, message_id)
    held.seats = {id_: Seat(people[id_], int(id_ == member.id)) for id_ in sorted(ids)}
    message = Message(message_id, dialog_id, people[member.id], text, None, False, at)
    held.last_messages[message_id] = message
    return Begun(_seen_by(held, member), message, held.to_all(), sorted(ids))


async def _lock_people(tx: Transaction, ids: Collection[int]) -> dict[int, Person]:
    people = {row["id"]: Person(*row) for row in await tx.fetch(_LOCK_PEOPLE, sorted(ids))}
    if len(people) < len(ids):
        raise UserNotFound()
    return people


async def _check_counts(
    tx: Transaction, member: Member, people: Iterable[Person], limits: DialogLimits
) -> None:
    players = [person.id for person in people if not person.is_staff]
    for user_id, begun, joined in await tx.fetch(_COUNT_DIALOGS, players):
        if user_id == member.id and begun >= limits.begun:
            raise TooManyDialogs()
        if user_id != member.id and joined >= limits.joined:
            raise TooManyDialogs("One of the members is in too many dialogs.")


async def send(
    tx: Transaction,
    member: Member,
    dialog_id: int,
    *,
    text: str,
    local_id: str | None = None,
    internal: bool = False,
) -> Sent:
    """Write a message; one with a `local_id` that came before is answered with the first.

    Raises: DialogNotFound; Forbidden for a player's note.
    """
    held = await hold(tx, member, dialog_id)
    if internal and not member.is_staff:
        raise Forbidden("Only staff write notes.")
    public_count = held.public_count + (not internal)
    staff_read = held.message_count + 1 if member.is_staff else held.staff_read
    reopens = held.status == "resolved" and not member.is_staff
    status = "open" if reopens else held.status
    row = await tx.fetchrow(
        _SEND,
        dialog_id,
        member.id,
        text,
        internal,
        local_id,
        held.message_count + 1,
        public_count,
        staff_read,
        status,
    )
    sender = Person(member.id, member.username, member.role)
    if row is None:
        id_, text, internal, at = await tx.fetchrow(_SENT_BEFORE, dialog_id, member.id, local_id)
        if internal and not member.is_staff:
            # A note of the days when the sender was one of the staff.
            raise Forbidden("Only staff write notes.")
        return Sent(Message(id_, dialog_id, sender, text, local_id, internal, at), [])
    message = Message(row["id"], dialog_id, sender, text, local_id, internal, row["at"])
    held.last_messages[message.id] = message
    held.last_message_id = message.id
    held.message_count += 1
    held.public_count, held.staff_read, held.status = public_count, staff_read, status
    if member.id in held.seats:
        held.seats[member.id].read_count = public_count
    if internal:
        return Sent(message, [held.to_staff()])
    held.last_public_message_id = message.id
    held.updated_at = message.at
    return Sent(message, held.to_all())


async def read(tx: Transaction, member: Member, dialog_id: int, *, message_id: int) -> Read:
    """Note that everything up to a message was read: by this member, or by the staff.

    What was read stays so. Raises: DialogNotFound, MessageNotFound.
    """
    held = await hold(tx, member, dialog_id)
    row = await tx.fetchrow(_NUMBERS, message_id, dialog_id)
    if row is None or (row["internal"] and not member.is_staff):
        raise MessageNotFound()
    if member.is_staff:
        if row["number"] <= held.staff_read:
            return Read(held.message_count - held.staff_read, [])
        held.staff_read = row["number"]
        tx.send(_STAFF_READ, dialog_id, held.staff_read)
        await held.load_last(tx)
        update = held.to_staff()
    else:
        seat = held.seats[member.id]
        if row["public_number"] <= seat.read_count:
            return Read(held.public_count - seat.read_count, [])
        seat.read_count = row["public_number"]
        tx.send(_MEMBER_READ, dialog_id, member.id, seat.read_count)
        await held.load_last(tx)
        update = held.to_player(member.id)
    return Read(update.dialog.unread, [update])


async def edit(
    tx: Transaction,
    member: Member,
    dialog_id: int,
    *,
    status: str = SAME,
    assignee_id: int | None = SAME,
) -> Changed:
    """Give a dialog another status, or to somebody else of the staff, or to nobody.

    Raises: DialogNotFound, AssigneeNotStaff.
    """
    held = await hold(tx, member, dialog_id)
    assignee = held.assignee if assignee_id is SAME else await _staff(tx, assignee_id)
    status = held.status if status is SAME else status
    is_change = (status, assignee) != (held.status, held.assignee)
    if is_change:
        held.status, held.assignee = status, assignee
        held.updated_at = await tx.fetchval(_EDIT, dialog_id, status, assignee and assignee.id)
    await held.load_last(tx)
    return Changed(_seen_by(held, member), held.to_all() if is_change else [])


async def _staff(tx: Transaction, user_id: int | None) -> Person | None:
    if user_id is None:
        return None
    row = await tx.fetchrow(_PERSON, user_id)
    if row is None or not Person(*row).is_staff:
        raise AssigneeNotStaff()
    return Person(*row)


async def let_in(
    tx: Transaction, member: Member, dialog_id: int, user_id: int, *, limits: DialogLimits
) -> Changed:
    """Make somebody a member, who has read what there is and hears what follows.

    Raises: UserNotFound, DialogNotFound, TooManyMembers.
    """
    people = await _lock_people(tx, {user_id})
    held = await hold(tx, member, dialog_id)
    await held.load_last(tx)
    if user_id in held.seats:
        return Changed(_seen_by(held, member), [])
    if len(held.seats) >= limits.members:
        raise TooManyMembers()
    held.updated_at = await tx.fetchval(_TOUCH, dialog_id)
    read_count = held.public_count
    tx.send(
        _SIT_DOWN, dialog_id, held.updated_at, [user_id], user_id, read_count, read_count
    )
    held.seats[user_id] = Seat(people[user_id], read_count)
    return Changed(_seen_by(held, member), held.to_all())


async def take_out(tx: Transaction, member: Member, dialog_id: int, user_id: int) -> Changed:
    """End somebody's membership; players may end their own only.

    Raises: DialogNotFound; UserNotFound for who is no member of it.
    """
    held = await hold(tx, member, dialog_id)
    if user_id != member.id and not member.is_staff:
        raise Forbidden("Only staff take others out.")
    if user_id not in held.seats:
        raise UserNotFound()
    await held.load_last(tx)
    dialog = _seen_by(held, member)
    del held.seats[user_id]
    tx.send(_STAND_UP, dialog_id, user_id)
    held.updated_at = await tx.fetchval(_TOUCH, dialog_id)
    return Changed(dialog, held.to_all())


def _seen_by(held: Held, member: Member) -> Dialog:
    update = held.to_staff() if member.is_staff else held.to_player(member.id)
    return update.dialog
