"""The wire's own kinds of value: money, ids, times, text.

Bodies are parsed with `NumberText` in place of floats, so that money is read from the digits
that were sent and never passes through binary floating point.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar

from marshmallow import Schema as BaseSchema
from marshmallow import ValidationError, fields, missing, validate

# JSON numbers are doubles in browsers: beyond this an id would change on the way.
MAX_ID = 2**53 - 1
# A billion in one movement is a mistake, and keeps sums far from the end of a bigint.
MAX_MONEY_MINOR = 100_000_000_000
# Up to 2^46 whole units a double, which is what browsers read numbers into, still tells
# neighbouring hundredths apart; users_balance in the database holds the same bound.
MAX_BALANCE_MINOR = 7_000_000_000_000_000

# Deeper than anybody means it, and far from where Python's own readers give up.
_MAX_DEPTH = 64

_MONEY = re.compile(r"-?\d{1,15}(\.\d{1,2})?", re.ASCII)
_DECIMAL_ID = re.compile(r"[1-9]\d{0,15}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class NumberText:
    """A JSON number with a fraction or an exponent, as it was written."""

    text: str


def camel_case(name: str) -> str:
    """`server_seed_hash` → `serverSeedHash`."""
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


class Schema(BaseSchema):
    """Names are snake_case in Python and camelCase on the wire; unknown fields are refused.

    The kinds of value below are strict both ways: what is not valid is not written either.
    """

    #: What may be left out where it does not apply.
    optional: ClassVar[frozenset[str]] = frozenset()

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        # marshmallow would look further for lists and dotted names, which nothing here has, and
        # leave the field out without a word.
        value = obj.get(attr, missing) if type(obj) is dict else getattr(obj, attr, missing)
        if value is missing and attr not in self.optional:
            raise ValidationError(f"{type(obj).__name__} has no {attr}.")
        return value

    def _serialize(self, obj: Any, *, many: bool = False) -> Any:
        # marshmallow's own takes twice as long over what nothing here has: fields that are
        # computed or filled in.
        if many:
            return [self._serialize(each) for each in obj]
        if type(obj) is not dict:
            try:
                return {
                    key: write(getattr(obj, attribute), name, obj)
                    for name, attribute, key, write in self._written
                }
            except AttributeError:
                # Something is missing, and may be left out or not.
                pass
        read = self.get_attribute
        return {
            key: write(value, name, obj)
            for name, attribute, key, write in self._written
            if (value := read(obj, attribute, missing)) is not missing
        }

    @cached_property
    def _written(self) -> list[tuple[str, str, str, Any]]:
        """Each field's name, where it is read, what it is called on the wire, how it is written."""
        return [
            (name, field.attribute or name, field.data_key or name, _writer_of(field))
            for name, field in self.dump_fields.items()
        ]

    def on_bind_field(self, field_name: str, field_obj: fields.Field) -> None:
        if field_obj.data_key is None:
            field_obj.data_key = camel_case(field_name)


def _writer_of(field: fields.Field) -> Any:
    """How a field is written: what other schemas write, and lists of that, by these at once."""
    many = type(field) is fields.List
    inner = field.inner if type(field) is fields.List else field
    if type(inner) is not fields.Nested or inner.many or not isinstance(inner.schema, Schema):
        return field._serialize
    write = inner.schema._serialize

    def written(value: Any, attr: str | None, obj: Any) -> Any:
        return None if value is None else write(value, many=many)

    return written


_instances: dict[type[BaseSchema], BaseSchema] = {}


def instance(schema: type[BaseSchema]) -> BaseSchema:
    """The one instance of a schema: building it costs ten times what using it does."""
    known = _instances.get(schema)
    if known is None:
        known = _instances[schema] = schema()
    return known


class Money(fields.Field[int]):
    """A JSON number with at most two decimals on the wire, integer minor units inside."""

    default_error_messages = {
        "invalid": "Must be a number with at most two decimals.",
        "too_small": "Must be at least {least}.",
        "too_large": "Too large.",
    }
    largest_minor = MAX_MONEY_MINOR

    def __init__(self, *, min_minor: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.min_minor = min_minor

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        if type(value) is not int:
            raise ValidationError(f"{attr}: money is integer minor units, not {value!r}.")
        whole, cents = divmod(value, 100)
        return value / 100 if cents else whole

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            minor = value * 100
        elif isinstance(value, NumberText) and _MONEY.fullmatch(value.text):
            sign = -1 if value.text.startswith("-") else 1
            whole, _, cents = value.text.lstrip("-").partition(".")
            minor = sign * (int(whole) * 100 + int(cents.ljust(2, "0")))
        else:
            raise self.make_error("invalid")
        if abs(minor) > self.largest_minor:
            raise self.make_error("too_large")
        if self.min_minor is not None and minor < self.min_minor:
            raise self.make_error("too_small", least=self.min_minor / 100)
        return minor


class Balance(Money):
    """Money that may sum to more than one movement can carry."""

    largest_minor = MAX_BALANCE_MINOR


class Fraction(fields.Field[float]):
    """A number from 0 to 1, six decimals."""

    default_error_messages = {"invalid": "Must be a number from 0 to 1."}

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        if type(value) not in (float, int) or not 0 <= value <= 1:
            raise ValidationError(f"{attr}: {value!r} is not a number from 0 to 1.")
        return value

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> float:
        number: float | None = None
        if isinstance(value, NumberText):
            # Python writes small fractions with an exponent: 0.00002 as 2e-05.
            number = float(value.text)
        elif isinstance(value, int) and not isinstance(value, bool):
            number = float(value)
        if number is None or not 0 <= number <= 1:
            raise self.make_error("invalid")
        return number


class AnyJson(fields.Field[Any]):
    """Any JSON value, which nobody here looks into."""

    default_error_messages = {"deep": "Nested too deeply."}

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> Any:
        return self._plain(value, _MAX_DEPTH)

    def _plain(self, value: Any, levels: int) -> Any:
        if levels == 0:
            raise self.make_error("deep")
        if isinstance(value, NumberText):
            return float(value.text)
        if isinstance(value, list):
            return [self._plain(each, levels - 1) for each in value]
        if isinstance(value, dict):
            return {name: self._plain(each, levels - 1) for name, each in value.items()}
        return value


class Id(fields.Integer):
    """A JSON integer from 1 to 2^53−1."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strict=True, validate=validate.Range(1, MAX_ID), **kwargs)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        if value is None and self.allow_none:
            return None
        if type(value) is not int or not 1 <= value <= MAX_ID:
            raise ValidationError(f"{attr}: {value!r} is not an id.")
        return value


class Count(fields.Integer):
    """A JSON integer from 0 up."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strict=True, validate=validate.Range(0, MAX_ID), **kwargs)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        if value is None and self.allow_none:
            return None
        if type(value) is not int or not 0 <= value <= MAX_ID:
            raise ValidationError(f"{attr}: {value!r} is not a count.")
        return value


class IdOrText(Id):
    """An id, or its decimal text."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> int:
        if isinstance(value, str) and _DECIMAL_ID.fullmatch(value):
            value = int(value)
        return super()._deserialize(value, attr, data, **kwargs)


class Text(fields.String):
    """Text that a person typed: no control characters, no lone surrogates, bounded length.

    `setting` names the one that bounds it further, where it is read from a client.
    """

    default_error_messages = {"control": "Must not contain control characters."}

    def __init__(
        self,
        *,
        min: int = 0,
        max: int,
        lines: bool = False,
        setting: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(validate=validate.Length(min, max), **kwargs)
        self.setting = setting
        self._forbidden = _CONTROL_BUT_LINES if lines else _CONTROL

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        if value is None and self.allow_none:
            return None
        # Nothing that is forbidden is printable, and that is quicker to see.
        if type(value) is not str or not value.isprintable() and self._forbidden.search(value):
            raise ValidationError(f"{attr}: {value!r} is not text.")
        for check in self.validators:
            check(value)
        return value

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if text is None or self._forbidden.search(text):
            raise self.make_error("control")
        return text


class Choice(Text):
    """One of a few words."""

    def __init__(self, *choices: str, **kwargs: Any) -> None:
        super().__init__(max=64, **kwargs)
        self.validators.append(validate.OneOf(choices))
        self._choices = frozenset(choices)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        if type(value) is str and value in self._choices:
            return value
        return super()._serialize(value, attr, obj, **kwargs)


class Name(Text):
    """One line of text that is not blank; spaces around it are dropped."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        text = super()._deserialize(value, attr, data, **kwargs).strip()
        if not text:
            raise ValidationError("Must not be blank.")
        return text


class Prose(Text):
    """Text of one or more lines that is not blank."""

    def __init__(self, *, max: int, **kwargs: Any) -> None:
        super().__init__(max=max, lines=True, **kwargs)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not text.strip():
            raise ValidationError("Must not be blank.")
        return text


class Time(fields.Field[datetime]):
    """An aware time; on the wire ISO 8601 in UTC with `Z` and milliseconds."""

    default_error_messages = {"invalid": "Must be an ISO 8601 time with a zone."}

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        if value is None and self.allow_none:
            return None
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise ValidationError(f"{attr}: {value!r} is not an aware time.")
        return iso(value)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> datetime:
        try:
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is not None:
                return moment.astimezone(UTC)
        # The first and the last hours of the calendar have no UTC.
        except (TypeError, ValueError, OverflowError):
            pass
        raise self.make_error("invalid")


def iso(moment: datetime) -> str:
    """`2026-11-21T09:30:00.125Z`."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"
