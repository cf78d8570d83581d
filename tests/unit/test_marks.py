"""How many marks clients may bring about."""

from server.db import Database
from server.realtime.marks import Kind, Marks


def test_goodbyes_without_end_take_nothing_from_replays() -> None:
    marks = Marks(Database("postgresql://nowhere"), per_second=0.01)

    assert [marks.admits(Kind.ENDED) for _ in range(3)] == [True, False, False]
    assert [marks.admits(Kind.REPLAYED) for _ in range(2)] == [True, False]
