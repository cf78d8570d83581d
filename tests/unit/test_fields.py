"""The wire's own kinds of value, alone and with generated ones."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from marshmallow import Schema as BaseSchema
from marshmallow import ValidationError, fields

from events.fields import (
    MAX_BALANCE_MINOR,
    MAX_ID,
    MAX_MONEY_MINOR,
    Balance,
    Fraction,
    Id,
    IdOrText,
    Money,
    Name,
    NumberText,
    Schema,
    Text,
    Time,
    camel_case,
)


class Everything(Schema):
    balance = Balance()
    fraction = Fraction()
    id = Id()
    id_or_text = IdOrText()
    money = Money()
    name = Name(max=8)
    some_text = Text(max=8)
    time = Time()


def load(text: str) -> Any:
    """What a body in this JSON text means, as doors read it."""
    return Everything().load(json.loads(text, parse_float=NumberText))


def dump(name: str, value: Any) -> Any:
    """How one value stands on the wire."""
    data_key = camel_case(name)
    return Everything(only=(name,)).dump({name: value})[data_key]


def refuses(text: str) -> bool:
    with pytest.raises(ValidationError):
        load(text)
    return True


# --- money -----------------------------------------------------------------------------------


@given(st.integers(-MAX_MONEY_MINOR, MAX_MONEY_MINOR))
@example(MAX_MONEY_MINOR)
@example(-1)
@example(-105)
def test_every_amount_comes_back_from_its_json_text_exactly(minor: int) -> None:
    text = json.dumps(dump("money", minor))
    assert Decimal(text) == Decimal(minor) / 100
    assert load(f'{{"money": {text}}}')["money"] == minor


@given(st.integers(0, MAX_BALANCE_MINOR))
@example(MAX_BALANCE_MINOR)
@example(MAX_BALANCE_MINOR - 1)
@example(MAX_MONEY_MINOR + 37)
def test_every_balance_comes_back_also_through_a_browsers_double(minor: int) -> None:
    text = json.dumps(dump("balance", minor))
    assert load(f'{{"balance": {text}}}')["balance"] == minor
    # A page reads the number into a double and shows two decimals of it.
    assert Decimal(f"{float(text):.2f}") == Decimal(minor) / 100


@given(st.decimals(-(10**9), 10**9, places=2))
def test_amount_is_what_its_digits_say(amount: Decimal) -> None:
    for text in (f"{amount:f}", f"{amount.normalize():f}"):
        assert load(f'{{"money": {text}}}')["money"] == int(amount * 100)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_with_other_digits_is_refused(number: float) -> None:
    text = repr(number)
    fits = "e" not in text and len(text.partition(".")[2]) <= 2
    if not fits or abs(number) > MAX_MONEY_MINOR / 100:
        assert refuses(f'{{"money": {text}}}')


@pytest.mark.parametrize(
    "text", ["1e2", "1E2", "1.005", "10.000", '"10"', "true", "null", "[]", "{}", "1" * 30]
)
def test_money_of_another_form_is_refused(text: str) -> None:
    assert refuses(f'{{"money": {text}}}')


@pytest.mark.parametrize("value", [1.5, True, "100", Decimal("1.5"), None])
def test_money_inside_is_nothing_but_minor_units(value: Any) -> None:
    with pytest.raises(ValidationError):
        dump("money", value)


# --- ids, fractions, text, times -------------------------------------------------------------


@given(st.integers(1, MAX_ID))
def test_id_may_be_its_decimal_text_where_that_is_allowed(number: int) -> None:
    assert load(f'{{"id": {number}, "idOrText": "{number}"}}') == {
        "id": number,
        "id_or_text": number,
    }
    assert refuses(f'{{"id": "{number}"}}')


@pytest.mark.parametrize(
    "text",
    ["0", "-1", str(MAX_ID + 1), "1.0", "1e1", "true", "null", '"01"', '"+1"', '" 1"', '"1_0"']
    + ['"\u0661"', '"0"', f'"{MAX_ID + 1}"', '""', '"1.0"'],
)
def test_id_of_another_form_is_refused(text: str) -> None:
    assert refuses(f'{{"idOrText": {text}}}')
    assert refuses(f'{{"id": {text}}}')


@given(st.integers(0, 1_000_000))
@example(1)
def test_chance_of_six_decimals_comes_back_from_its_json_text(millionths: int) -> None:
    text = json.dumps(dump("fraction", millionths / 1_000_000))
    assert load(f'{{"fraction": {text}}}')["fraction"] == millionths / 1_000_000


@given(st.text(max_size=8))
def test_text_is_kept_as_it_is_or_refused(text: str) -> None:
    is_odd = any(
        ord(letter) < 32 or 127 <= ord(letter) < 160 or letter in "\u2028\u2029" for letter in text
    ) or any(0xD800 <= ord(letter) < 0xE000 for letter in text)
    body = json.dumps({"someText": text})
    if is_odd:
        assert refuses(body)
    else:
        assert load(body)["some_text"] == text


def test_name_is_one_line_that_is_not_blank() -> None:
    assert load('{"name": "  a b "}')["name"] == "a b"
    assert refuses('{"name": "   "}') and refuses('{"name": ""}') and refuses('{"name": "a\\nb"}')


@given(st.datetimes(datetime(1970, 1, 1), datetime(2999, 1, 1)), st.integers(-14, 14))
def test_time_comes_back_as_the_same_moment_in_utc(moment: datetime, zone_h: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(hours=zone_h)), microsecond=125_000)
    text = dump("time", aware)
    assert text.endswith(".125Z")
    assert load(json.dumps({"time": text}))["time"] == aware
    assert load(json.dumps({"time": aware.isoformat()}))["time"].tzinfo is UTC


@pytest.mark.parametrize("text", ['"2026-11-21T10:00:00"', '"soon"', "7", "null", '""'])
def test_time_without_a_zone_or_sense_is_refused(text: str) -> None:
    assert refuses(f'{{"time": {text}}}')


def test_unknown_names_are_refused_and_names_are_camel_case() -> None:
    assert camel_case("server_seed_hash") == "serverSeedHash"
    assert refuses('{"some_text": "x"}') and refuses('{"other": 1}')


class Prize(Schema):
    optional = frozenset({"note"})
    id = Id()
    note = Text(max=8)


class Chest(Schema):
    best_prize = fields.Nested(Prize, allow_none=True)
    prizes = fields.List(fields.Nested(Prize))
    opened_at = Time()


def test_answers_are_written_as_marshmallow_itself_writes_them() -> None:
    """The schema's own way leans on marshmallow's `_serialize`, which is not documented."""
    at = datetime(2026, 11, 21, tzinfo=UTC)
    prizes = [{"id": 1, "note": "a"}, {"id": 2}]
    chest = {"best_prize": None, "prizes": prizes, "opened_at": at}

    written = Chest(many=True).dump([chest, chest])

    assert written[0] == written[1] == BaseSchema._serialize(Chest(), chest)
    assert written[0]["bestPrize"] is None
    assert written[0]["prizes"] == [BaseSchema._serialize(Prize(), prize) for prize in prizes]
