"""Numbers as people write and read them: `300B`, `5%`, `3e-4`, `120 steps`, `1.4 MB`, `12 min`.

What a person writes becomes an exact rational first: 5 % is 1/20, not 0.05000000000000000277.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, Inexact, localcontext
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from rich import filesize

from raycl.errors import FieldError, shown

_SUFFIXES = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}
_LARGEST = 10**300
"""A larger number is a slip of the pen; beyond 1.8e308 no float holds it."""
_LONGEST = 100
"""Characters of a number. Nobody writes a longer one, and arithmetic with it would take long."""
_LARGEST_WHOLE = 2**63 - 1
"""What 64 bits hold: seeds, rows and steps end up in arrays and files of such numbers."""
_NUMBER = re.compile(r"([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*([kKmMbBtT]?|%)")


def parse_number(value: Any) -> Fraction:
    """`300B`, `1.2M`, `5%`, `3e-4`, 7 or 0.05 as an exact rational; FieldError where it is none.

    A float means the decimal number that it prints as.
    """
    if isinstance(value, bool) or value is None:
        raise FieldError(f"{value!r} is not a number", "Write for example 300B, 5% or 3e-4")
    if isinstance(value, Fraction):
        return value
    text = str(value).strip()
    match = _NUMBER.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise FieldError(
            f"{shown(value)} is not a number", "Write for example 300B, 1.2M, 5% or 3e-4"
        )
    digits, suffix = match.groups()
    number = Fraction(digits.replace("_", ""))
    number = number / 100 if suffix == "%" else number * _SUFFIXES[suffix.lower()]
    if abs(number) > _LARGEST:
        raise FieldError(f"{value!r} is too large", "Write a number below 1e300")
    return number


def format_number(value: Fraction | float) -> str:
    """The shortest text that `parse_number` reads back; 12 digits where no text does (1/3)."""
    exact, text = parse_number(value), f"{float(value):.12g}"
    if parse_number(text) != exact:
        with localcontext(prec=400) as context:
            context.clear_flags()  # a context starts with the flags of the one around it
            decimal = (Decimal(exact.numerator) / exact.denominator).normalize()
            if not context.flags[Inexact]:
                return str(decimal)
    return text


def format_count(value: float) -> str:
    """A large count for people: 2.26M, 299B, 7.26e+21."""
    if abs(value) >= 1e15 * 0.9995:
        return f"{value:.3g}"
    for suffix, size in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size * 0.9995:  # 999,600 is 1M, not 1e+03k
            return f"{value / size:.3g}{suffix}"
    return f"{value:.3g}"


def format_bytes(size: float) -> str:
    """A size in decimal units with three digits: 812 B, 1.4 MB, 3.2 GB."""
    rounded = int(float(f"{size:.3g}"))  # 999,600 bytes are 1 MB, not 1e+03 kB
    unit, suffix = filesize.pick_unit_and_suffix(rounded, ["B", "kB", "MB", "GB", "TB"], 1000)
    return f"{rounded / unit:,.3g} {suffix}" if rounded < 1000 * unit else f"{size / unit:,.0f} TB"


def format_memory(size: float) -> str:
    """A size in binary units, as memory is counted: 141 MiB, 12.5 GiB."""
    mebibytes = round(size / 2**20)
    unit, suffix = filesize.pick_unit_and_suffix(max(mebibytes, 1), ["MiB", "GiB"], 1024)
    return f"{mebibytes / unit:,.{0 if unit == 1 else 1}f} {suffix}"


def format_seconds(seconds: float) -> str:
    """A duration in its best unit: 90 s, 12 min, 3.5 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def format_dollars(value: float) -> str:
    """A price for people: $12.30; below ten cents with two digits."""
    if abs(value) >= 0.095 or not value:
        return f"${value:,.2f}"
    return f"${Decimal(f'{value:.2g}'):f}"


def parse_share(value: Any) -> Fraction:
    """A number from 0 to 1, or a percentage."""
    share = parse_number(value)
    if not 0 <= share <= 1:
        raise FieldError(f"{value!r} is not a share", "Write a number from 0 to 1, or 0% to 100%")
    return share


def parse_whole(value: Any) -> int:
    """A whole number, 0 or more."""
    number = parse_number(value)
    if number.denominator != 1 or number < 0:
        raise FieldError(
            f"{shown(value)} is not a whole number of 0 or more", "Write for example 1000 or 1.2M"
        )
    if number > _LARGEST_WHOLE:
        raise FieldError(f"{shown(value)} is more than 64 bits hold", "Write a smaller number")
    return int(number)


def parse_real(value: Any) -> float:
    """The float nearest to a number as people write it. A percentage is a share of something."""
    if str(value).strip().endswith("%"):
        raise FieldError(f"{shown(value)} is a share, not a number", "Write for example 3e-4")
    return float(parse_number(value))


@dataclass(frozen=True)
class Length:
    """The length of a phase: steps, tokens, or a fraction of its own stage."""

    value: Fraction
    unit: str  # "steps", "tokens" or "fraction"

    def steps(self, stage_steps: int, tokens_per_step: int) -> Fraction:
        """The length in steps; not rounded, as in the paper (§1.1)."""
        if self.unit == "fraction":
            return self.value * stage_steps
        return self.value if self.unit == "steps" else self.value / tokens_per_step

    def __str__(self) -> str:
        if self.unit == "fraction":
            return f"{format_number(self.value * 100)}%"
        return f"{format_number(self.value)} {self.unit}"


def parse_length(value: Any) -> Length:
    """`1%` or `0.01` (a fraction of the stage), `120 steps`, `2B tokens`."""
    if isinstance(value, Length):
        return value
    text = str(value).strip()
    for unit in ("steps", "tokens"):
        if text.endswith((unit, unit[:-1])):
            number = text.removesuffix("s").removesuffix(unit[:-1]).strip()
            if number.startswith("-") or number.endswith("%"):
                raise FieldError(f"{value!r} is not a length", "Write for example '120 steps'")
            return Length(parse_number(number), unit)
    try:
        return Length(parse_share(value), "fraction")
    except ValueError as error:
        raise FieldError(
            f"{shown(value)} is not a length", "Write 1% of the stage, '120 steps' or '2B tokens'"
        ) from error


_SPAN = re.compile(r"([0-9.]+)\s*(seconds?|s|minutes?|min|m|hours?|h|days?|d|weeks?|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def parse_duration(value: str) -> timedelta:
    """`1d`, `12 hours`, `90 minutes`, `0s`; FieldError for anything else."""
    match = _SPAN.fullmatch(value.strip().lower())
    try:
        if match is None:
            raise ValueError(value)
        return timedelta(seconds=float(match.group(1)) * _SECONDS[match.group(2)[0]])
    except (ValueError, OverflowError) as error:
        raise FieldError("not a time", "Write for example 1 day, 12 hours or 0s") from error


def is_duration(value: str) -> bool:
    """Whether `parse_duration` may read it: a number and a unit of time."""
    return _SPAN.fullmatch(value.strip().lower()) is not None


def parse_span(value: Any) -> timedelta:
    """A time above zero; FieldError for anything else."""
    span = value if isinstance(value, timedelta) else parse_duration(str(value))
    if span <= timedelta(0):
        raise FieldError(f"{shown(value)} is not above zero", "Write for example 10 minutes")
    return span


def format_span(value: timedelta) -> str:
    """What `parse_span` reads back."""
    return f"{value.total_seconds():.17g} seconds"


def _field(parse: Any, write: Any, example: Any) -> Any:
    schema = WithJsonSchema({"type": ["number", "string"], "examples": [example]})
    return BeforeValidator(parse), PlainSerializer(write), schema


Share = Annotated[Fraction, *_field(parse_share, format_number, "5%")]
Weight = Annotated[Fraction, *_field(parse_number, format_number, 0.5)]
Count = Annotated[int, *_field(parse_whole, int, "300B")]
Real = Annotated[float, *_field(parse_real, float, 3e-4)]
Span = Annotated[timedelta, *_field(parse_span, format_span, "10 minutes")]
PhaseLength = Annotated[Length, *_field(parse_length, str, "1%")]
