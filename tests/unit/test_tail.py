"""The last events in memory: what is there is whole, and what is not is read from the log."""

from datetime import UTC, datetime

from server.realtime.cursor import Cursor
from server.realtime.log import LoggedEvent
from server.realtime.tail import Tail

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def told(tail: Tail, *positions: int, audience: str = "all", epoch: str = "368ef470") -> None:
    for position in positions:
        tail.heard(LoggedEvent(Cursor(epoch, position), audience, "e", None, NOW))


def after(tail: Tail, position: int, *, limit: int = 100, **until: int) -> list[int] | None:
    """What is there; None if not all of it is."""
    found, rest = tail.after(Cursor("368ef470", position), until, limit)
    assert all(event.offset == f"368ef470.{place}" for place, event in found)
    return None if rest else sorted(place for place, _ in found)


def test_tail_has_the_last_events_of_each_audience_up_to_a_position() -> None:
    tail = Tail(4)
    told(tail, 1, 2)
    told(tail, 3, audience="staff")
    told(tail, 4, 5)

    assert after(tail, 1, all=5) == [2, 4, 5]
    assert after(tail, 1, all=5, staff=5) == [2, 3, 4, 5]
    assert after(tail, 1, all=2, staff=5) == [2, 3]
    assert after(tail, 1, all=5, limit=2) == [2, 4]
    assert after(tail, 4, all=5) == [5]


def test_tail_has_the_events_of_all_dialogs_for_who_hears_all() -> None:
    tail = Tail(4)
    told(tail, 1)
    told(tail, 2, audience="dialog:7")
    told(tail, 3, audience="dialog:8")
    told(tail, 4)

    assert after(tail, 1, **{"all": 4, "dialog:7": 4}) == [2, 4]
    assert after(tail, 1, **{"all": 4, "dialog:*": 4}) == [2, 3, 4]
    assert after(tail, 1, **{"all": 4, "dialog:*": 2}) == [2, 4]


def test_tail_that_does_not_reach_so_far_says_so() -> None:
    tail = Tail(2)
    assert after(tail, 0, all=1) is None
    told(tail, 1, 2, 3)

    assert after(tail, 0, all=3) is None
    assert after(tail, 1, all=4) is None
    assert after(tail, 1, all=3) == [2, 3]


def test_what_single_members_hear_does_not_push_out_what_many_do() -> None:
    tail = Tail(2)
    told(tail, 1)
    for position in range(2, 9):
        told(tail, position, audience=f"user:{position % 2}")
    told(tail, 9)

    assert after(tail, 0, all=9) == [1, 9]
    assert after(tail, 6, **{"user:0": 9, "user:1": 9}) == [7, 8]
    assert after(tail, 6, **{"user:1": 9, "user:2": 9}) == [7]
    # The member's own is to be read elsewhere; what is for all is here.
    found, rest = tail.after(Cursor("368ef470", 5), {"all": 9, "user:0": 8}, 100)
    assert ([place for place, _ in found], rest) == ([9], {"user:0": 8})


def test_tail_begins_anew_after_a_gap_and_with_another_log() -> None:
    tail = Tail(10)
    told(tail, 1, 2)
    told(tail, 5)
    assert after(tail, 1, all=5) is None
    assert after(tail, 4, all=5) == [5]

    told(tail, 6, epoch="00000000")
    assert after(tail, 4, all=5) is None

    told(tail, 7, 8)
    tail.broke()
    assert after(tail, 7, all=8) is None
    told(tail, 9)
    assert after(tail, 7, all=9) is None
    assert after(tail, 8, all=9) == [9]
