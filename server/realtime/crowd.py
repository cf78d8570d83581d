"""How many listeners of a kind there are, and whose they are."""

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from server.engine import network_of

_Key = TypeVar("_Key", int, str)


class Full(Enum):
    """Where there is no place."""

    EVERYWHERE = "everywhere"
    ADDRESS = "address"
    MEMBER = "member"


@dataclass(frozen=True, slots=True)
class Places:
    """How many there may be in all, of one address, and of one member."""

    total: int = 20_000
    per_address: int = 2000
    per_member: int = 50


class Crowd:
    """The listeners of one kind."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._by_network: Counter[str] = Counter()
        self._by_member: Counter[int] = Counter()
        self.total = 0

    def count(self, address: str, member_id: int | None, by: int) -> None:
        """One has come (1), or gone (-1); None is a guest."""
        self.total += by
        _add(self._by_network, network_of(address), by)
        if member_id is not None:
            _add(self._by_member, member_id, by)

    def full(self, address: str, member_id: int | None) -> Full | None:
        """Where there is no place for another one."""
        if self.total >= self._places.total:
            return Full.EVERYWHERE
        if self._by_network[network_of(address)] >= self._places.per_address:
            return Full.ADDRESS
        if member_id is not None and self._by_member[member_id] >= self._places.per_member:
            return Full.MEMBER
        return None


def _add(counter: Counter[_Key], key: _Key, by: int) -> None:
    counter[key] += by
    if not counter[key]:
        del counter[key]
