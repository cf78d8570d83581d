"""The one position that every door speaks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.realtime.cursor import BadCursor, Cursor

epochs = st.text("0123456789abcdef", min_size=8, max_size=8)


@given(epochs, st.integers(0, 10**18 - 1))
def test_cursor_comes_back_from_its_text(epoch: str, position: int) -> None:
    cursor = Cursor(epoch, position)
    assert Cursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize(
    "text",
    ["", "x", "deadbeef", "deadbeef.", "deadbeef.-1", "deadbeef.01", "DEADBEEF.1", "deadbee.1"]
    + ["deadbeef.1 ", "deadbeef.1\n", "deadbeef.\u0661", "deadbeef." + "1" * 19, "deadbeef.1.1"],
)
def test_text_that_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadCursor):
        Cursor.parse(text)


@given(st.text(max_size=40))
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    try:
        assert str(Cursor.parse(text)) == text
    except BadCursor:
        pass
