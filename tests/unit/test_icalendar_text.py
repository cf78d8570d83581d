"""The text of a feed says what the events are, whatever letters they hold."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from events.fields import _CONTROL_BUT_LINES
from server.club.feeds import Entry
from server.club.icalendar_text import write

STARTS = datetime(2031, 5, 16, 18, tzinfo=UTC)

# What a description may hold; those that are escaped, or of several octets, more often.
texts = st.text(
    st.one_of(st.sampled_from("\\^;,:\n\"'= Юе€🎮x"), st.characters(codec="utf-8")), max_size=400
).filter(lambda text: not _CONTROL_BUT_LINES.search(text))


def entry(description: str) -> Entry:
    return Entry(
        UUID(int=7),
        "Cup",
        description,
        "",
        STARTS,
        STARTS + timedelta(hours=1),
        0,
        False,
        STARTS,
        STARTS,
        1,
        "owner",
        "guest",
        "accepted",
        False,
        STARTS,
    )


@given(texts)
async def test_any_description_is_folded_by_the_letter_and_read_back(description: str) -> None:
    text = await write(2, [entry(description)])

    lines = text.split(b"\r\n")
    assert lines.pop() == b""
    assert all(0 < len(line) <= 75 for line in lines)
    for line in lines:
        assert b"\n" not in line
        # No character in two lines.
        line.decode()
    (parsed,) = Calendar.from_ical(text).walk("VEVENT")
    assert str(parsed.get("DESCRIPTION", "")) == description


async def test_no_escaped_character_is_in_two_lines() -> None:
    # Wherever the line ends.
    for begins in range(76):
        description = "x" * begins + "\\,;\n\\\\" * 40
        text = await write(2, [entry(description)])
        for line in text.split(b"\r\n"):
            assert (len(line) - len(line.rstrip(b"\\"))) % 2 == 0
        (parsed,) = Calendar.from_ical(text).walk("VEVENT")
        assert str(parsed["DESCRIPTION"]) == description
