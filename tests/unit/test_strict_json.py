"""JSON read strictly where readers differ."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import strict_json
from server.errors import MalformedJson

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(values, st.booleans())
def test_what_json_can_say_is_read_as_it_was_meant(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert strict_json.loads(text.encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        strict_json.loads(raw)
    except MalformedJson as refused:
        assert len(str(refused)) <= 200


@pytest.mark.parametrize(
    "raw",
    [b"", b"NaN", b"Infinity", b"-Infinity", b"[NaN]", b'{"a": 1, "a": 1}', b'[{"a": 1, "a": 2}]']
    + [b"\xff", b"\xef\xbb\xbf1", b'"\xed\xa0\x80"', b"{} {}", b"'a'", b"01", b"1.", b".5", b"+1"]
    + [b"[" * 100_000, b'{"a":' * 100_000, b"1" * 5_000, b'"\x00"', b"nul", b"[1,]"],
    ids=lambda raw: repr(raw[:12]),
)
def test_what_readers_would_read_differently_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedJson):
        strict_json.loads(raw)


def test_numbers_are_handed_over_as_they_were_written() -> None:
    read = strict_json.loads(b"[10.50, 1e2, 007.0]".replace(b"007.0", b"7.0"), parse_float=str)
    assert read == ["10.50", "1e2", "7.0"]
    assert strict_json.loads(b"[" + b"9" * 5000 + b"]", parse_int=str) == ["9" * 5000]
