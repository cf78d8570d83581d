"""Who is in which room.

python-socketio's `AsyncManager` with other tables under it: a room is a set of clients, or the
one client that is in it, and each client knows its rooms. So an emit touches its recipients and
nothing else, and leaving costs what the client was in.
"""

import sys
from collections.abc import Iterable, Iterator, Sized
from typing import Any

from socketio import AsyncManager

from server.engine.client import Client
from server.engine.session import Session


class Rooms(AsyncManager):
    """The tables of the clients of this process.

    `rooms[namespace]` maps a room to its one client or to the set of them, and None to all, by
    sid. The room that each sid is by itself is not kept: it is looked up among all.
    """

    rooms: dict[str, dict[Any, Any]]

    # Finding.

    def client(self, sid: str, namespace: str) -> Client | None:
        """The client of this namespace, whatever its state."""
        everybody = self.rooms.get(namespace)
        return everybody[None].get(sid) if everybody else None

    def client_of(self, session: Session, namespace: str) -> Client | None:
        """What this session has in the namespace."""
        first: Client | None = session.client
        if first is not None and first.namespace == namespace:
            return first
        return session.others.get(namespace) if session.others else None

    def clients_of(self, session: Session) -> Iterator[Client]:
        """What this session has, in all namespaces."""
        for client in (session.client, *(session.others or {}).values()):
            if client is not None:
                yield client

    def clients(self, namespace: str, room: Any) -> Iterable[Client]:
        """The clients of a room, of several (each once), or of the namespace (None)."""
        tables = self.rooms.get(namespace)
        if tables is None:
            return ()
        if room is None:
            return tables[None].values()
        if isinstance(room, str) or not hasattr(room, "__len__"):
            return self._members(tables, room)
        found: dict[Client, None] = {}
        for each in room:
            found.update(dict.fromkeys(self.clients(namespace, each)))
        return found

    @staticmethod
    def _members(tables: dict[Any, Any], room: Any) -> Iterable[Client]:
        members = tables.get(room)
        if members is None:
            members = tables[None].get(room)
        if members is None:
            return ()
        return (members,) if type(members) is Client else members

    # Entering and leaving.

    def basic_enter_room(
        self, sid: str, namespace: str, room: Any, eio_sid: Any = None
    ) -> None:
        if room is None:
            tables = self.rooms.setdefault(namespace, {None: {}})
            tables[None][sid] = eio_sid
            return
        client = self.client(sid, namespace)
        if client is None:
            raise ValueError("sid is not connected to requested namespace")
        if sid != room and self.is_sid_room(namespace, room):
            raise ValueError("cannot enter a sid room")
        if sid == room:
            return
        if type(room) is str:
            # Many clients share a room, and each brings a text of its own.
            room = sys.intern(room)
        tables = self.rooms[namespace]
        tables[room] = _with(tables.get(room), client)
        client.rooms = _with(client.rooms, room)

    def basic_leave_room(self, sid: str, namespace: str, room: Any) -> None:
        client = self.client(sid, namespace)
        if client is None:
            return
        tables = self.rooms[namespace]
        if room is None:
            del tables[None][sid]
            if not tables[None]:
                del self.rooms[namespace]
        elif client.is_in(room):
            client.rooms = _without(client.rooms, room)
            members = _without(tables[room], client)
            if members is None:
                del tables[room]
            else:
                tables[room] = members

    def basic_close_room(self, room: Any, namespace: str) -> None:
        if self.is_sid_room(namespace, room):
            raise ValueError("cannot close a sid room")
        for client in list(self.clients(namespace, room)):
            self.basic_leave_room(client.sid, namespace, room)

    def is_sid_room(self, namespace: str, room: Any) -> bool:
        return room is not None and self.client(room, namespace) is not None

    # What else of python-socketio reads the tables.

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        for client in list(self.clients(namespace, room)):
            yield client.sid, client.session.sid

    def get_rooms(self, sid: str, namespace: str) -> list[str]:
        client = self.client(sid, namespace)
        return [] if client is None else [sid, *client.room_names()]

    def sid_from_eio_sid(self, eio_sid: str, namespace: str) -> str | None:
        session = self.server.eio.sockets.get(eio_sid)
        client = None if session is None else self.client_of(session, namespace)
        return None if client is None else client.sid

    def eio_sid_from_sid(self, sid: str, namespace: str) -> str | None:
        client = self.client(sid, namespace)
        return None if client is None else client.session.sid

    def size(self, namespace: str, room: Any) -> int:
        """How many clients a room has."""
        recipients = self.clients(namespace, room)
        return len(recipients) if isinstance(recipients, Sized) else sum(1 for _ in recipients)


def _with(members: Any, new: Any) -> Any:
    """One more among none, one, or a set."""
    if members is None or members == new:
        return new
    if isinstance(members, set):
        members.add(new)
        return members
    return {members, new}


def _without(members: Any, old: Any) -> Any:
    """One less; one that is left stands alone."""
    if isinstance(members, set):
        members.discard(old)
        return members.pop() if len(members) == 1 else members
    return None if members == old else members
