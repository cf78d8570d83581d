"""Socket.IO packets as text: what is read fast is read as everything else is."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.engine.packets import PacketError
from server.engine.socketio_packets import EVENT, JsonCodec

_CODEC = JsonCodec(max_attachments=4)

_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def _read(text: str) -> Any:
    try:
        packet = _CODEC.decode(text)
    except PacketError:
        return None
    return packet.type, packet.namespace, packet.id, packet.data, packet.missing


@given(
    st.sampled_from(["2", "2/,", "2/admin,", "25-", "3", "0"]),
    st.from_regex(r"\A[0-9]{0,18}\Z") | st.sampled_from(["٣", "-1", " "]),
    # Not a number, which would be the end of the ack id.
    st.lists(_json, max_size=4)
    | st.dictionaries(st.text(), _json, max_size=4)
    | st.tuples(st.text() | st.integers(), _json).map(list),
)
def test_a_packet_means_the_same_with_a_space_behind_it(head: str, id_: str, data: object) -> None:
    # A space, which JSON allows and no client sends, leads away from the fast path.
    text = f"{head}{id_}{json.dumps(data, ensure_ascii=False)}"
    assert _read(text) == _read(text + " ")


@pytest.mark.parametrize(
    "text",
    [
        '2["connect"]',
        '2٣["a"]',
        '2["newListener",1]',
        "2[]",
        "2[null]",
        '2["a",NaN]',
        '2["a"]b',
        '2["a"',
        '2{"a":1}',
        '212345678901234567["a"]',
        "2" + "[" * 100_000,
    ],
)
def test_an_event_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(PacketError):
        _CODEC.decode(text)


def test_an_event_keeps_its_ack_id_and_arguments() -> None:
    assert _read('2["a",1,"ä"]') == (EVENT, "/", None, ["a", 1, "ä"], 0)
    assert _read('212["a"]') == (EVENT, "/", 12, ["a"], 0)
    assert _read('2/admin,12["a"]') == (EVENT, "/admin", 12, ["a"], 0)


@given(st.lists(_json, max_size=4))
def test_what_is_written_is_what_json_writes(data: list[object]) -> None:
    (text,) = _CODEC.encode(EVENT, "/", data)
    assert isinstance(text, str)
    assert json.loads(text[1:]) == data
    (with_id,) = _CODEC.encode(EVENT, "/", data, 7)
    assert with_id == f"27{text[1:]}"


def test_what_contains_itself_is_refused_and_the_next_is_written() -> None:
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(ValueError, match="contains itself"):
        _CODEC.encode(EVENT, "/", circle)
    assert _CODEC.encode(EVENT, "/", ["a", {"b": 1}]) == ('2["a",{"b":1}]',)


def test_binary_parts_are_those_of_this_packet_alone() -> None:
    assert _CODEC.encode(EVENT, "/", ["a", b"1"]) == (
        '51-["a",{"_placeholder":true,"num":0}]',
        b"1",
    )
    assert _CODEC.encode(EVENT, "/", ["a"]) == ('2["a"]',)
