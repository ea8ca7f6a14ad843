"""Numbers as people write them: exact, and read back from what is written."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from raycl.units import (
    Count,
    Length,
    PhaseLength,
    Real,
    Share,
    Weight,
    format_count,
    format_number,
    parse_duration,
    parse_length,
    parse_number,
    parse_real,
    parse_share,
    parse_whole,
)

settings.register_profile("unhurried", deadline=None)  # other tests may load the machine
settings.load_profile("unhurried")

WRITTEN = {
    "300B": Fraction(300 * 10**9),
    "1.2M": Fraction(1_200_000),
    "5%": Fraction(1, 20),
    "0.5 %": Fraction(1, 200),
    "3e-4": Fraction(3, 10_000),
    "1_000k": Fraction(10**6),
    " 2t ": Fraction(2 * 10**12),
    "+7": Fraction(7),
    "-.5": Fraction(-1, 2),
    "3.": Fraction(3),
    7: Fraction(7),
    0.05: Fraction(1, 20),
    0.1 + 0.2: Fraction("0.30000000000000004"),
    Fraction(1, 3): Fraction(1, 3),
}
NO_NUMBERS: tuple[object, ...] = (
    "",
    "B",
    "%",
    "e3",
    "1e",
    "1,5",
    "1/3",
    "5%%",
    "5B%",
    "1 2",
    "nan",
    "inf",
    "_1",
    ".",
    "--1",
    "1e9999",
    "1e400",
    "9e299T",
    True,
    False,
    None,
    float("nan"),
    float("inf"),
    [],
    {},
)


@pytest.mark.parametrize(("written", "number"), WRITTEN.items(), ids=map(str, WRITTEN))
def test_numbers_are_exact(written: object, number: Fraction) -> None:
    assert parse_number(written) == number


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_what_is_no_number_is_refused_with_an_example(value: object) -> None:
    for parse in (parse_number, parse_share, parse_whole, parse_real):
        with pytest.raises(ValueError, match=r"write|whole"):
            parse(value)


@given(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30),
    st.sampled_from(["", "%", *"kKmMbBtT"]),
)
def test_any_decimal_with_any_suffix(decimal: object, suffix: str) -> None:
    text = str(decimal)
    if abs(int(text.rpartition("E")[2])) > 999 if "E" in text else False:
        return
    factor = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}
    scale = Fraction(1, 100) if suffix == "%" else Fraction(factor[suffix.lower()])
    assert parse_number(text + suffix) == Fraction(text) * scale


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e299, max_value=1e299))
def test_a_float_comes_back(value: float) -> None:
    assert parse_real(value) == value
    assert parse_real(repr(value)) == value
    assert float(parse_number(format_number(value))) == value


@given(st.integers(-(10**40), 10**40), st.integers(0, 60))
def test_a_written_decimal_comes_back_exactly(digits: int, places: int) -> None:
    number = Fraction(digits, 10**places)
    assert parse_number(format_number(number)) == number


@given(st.fractions())
def test_every_number_can_be_written(number: Fraction) -> None:
    back = parse_number(format_number(number))
    assert abs(back - number) <= abs(number) / 10**11


def test_numbers_are_written_short() -> None:
    assert [format_number(v) for v in (Fraction(1, 20), 3e-4, 0.5, 7, Fraction(1, 3))] == [
        "0.05",
        "0.0003",
        "0.5",
        "7",
        "0.333333333333",
    ]
    assert format_number(Fraction(155_887_114_486)) == "155887114486"


@given(st.integers(0, 10**18))
def test_counts_for_people_are_short_and_close(value: int) -> None:
    text = format_count(value)
    assert len(text) <= 6 or value >= 9995 * 10**11
    assert "e" not in text or value >= 9995 * 10**11
    assert abs(parse_number(text) - value) <= Fraction(6, 1000) * value


def test_counts_for_people() -> None:
    counts = (0, 999, 2_260_992, 999_600, 999_499, 299.28e9, 999_999_999, -1500)
    assert [format_count(c) for c in counts] == [
        "0",
        "999",
        "2.26M",
        "1M",
        "999k",
        "299B",
        "1B",
        "-1.5k",
    ]


def test_shares_and_whole_numbers_keep_their_range() -> None:
    assert parse_share("100%") == 1
    assert parse_share(0) == 0
    assert parse_whole("1.5k") == 1500
    assert parse_whole(3.0) == 3
    for value in ("101%", -0.01, "1.0000001"):
        with pytest.raises(ValueError, match="not a share"):
            parse_share(value)
    for whole in ("1.5", -1, "-1k", "0.5%"):
        with pytest.raises(ValueError, match="not a whole number"):
            parse_whole(whole)


@pytest.mark.parametrize(
    ("written", "length"),
    [
        ("1%", Length(Fraction(1, 100), "fraction")),
        (0.01, Length(Fraction(1, 100), "fraction")),
        (0, Length(Fraction(0), "fraction")),
        ("120 steps", Length(Fraction(120), "steps")),
        ("1 step", Length(Fraction(1), "steps")),
        ("2B tokens", Length(Fraction(2 * 10**9), "tokens")),
        ("0.5steps", Length(Fraction(1, 2), "steps")),
    ],
)
def test_lengths(written: object, length: Length) -> None:
    assert parse_length(written) == length
    assert parse_length(str(length)) == length
    assert parse_length(length) is length


@pytest.mark.parametrize(
    "value",
    ["120", 120, "101%", "-1%", "-5 steps", "- 5 steps", "5% steps", "steps", "x", "", None],
)
def test_what_is_no_length_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"not a (length|number)"):
        parse_length(value)


@given(st.integers(0, 10**9), st.integers(1, 10**7))
def test_lengths_in_steps_are_not_rounded(number: int, per_step: int) -> None:
    assert Length(Fraction(number), "steps").steps(7, per_step) == number
    assert Length(Fraction(number), "tokens").steps(7, per_step) == Fraction(number, per_step)
    assert parse_length("1%").steps(number, per_step) == Fraction(number, 100)


class _Fields(BaseModel):
    share: Share = Fraction(0)
    weight: Weight = Fraction(0)
    count: Count = 0
    real: Real = 0.0
    length: PhaseLength = parse_length("0%")


@given(
    st.integers(0, 10**15),
    st.integers(0, 10**20),
    st.integers(0, 10**15),
    st.floats(-1e200, 1e200),
    st.sampled_from(["fraction", "steps", "tokens"]),
)
def test_fields_round_trip(share: int, weight: int, count: int, real: float, unit: str) -> None:
    fields = _Fields(
        share=Fraction(share, 10**15),
        weight=Fraction(weight, 10**7),
        count=count,
        real=real,
        length=Length(Fraction(share, 10**15), unit),
    )
    assert _Fields.model_validate(fields.model_dump()) == fields
    assert _Fields.model_validate_json(fields.model_dump_json()) == fields


@pytest.mark.parametrize("field", ["share", "weight", "count", "real", "length"])
@pytest.mark.parametrize("value", ["1e400", "9" * 400, "nonsense", True, None])
def test_a_bad_field_is_a_validation_error(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        _Fields.model_validate({field: value})


def test_arithmetic_elsewhere_does_not_blur_numbers() -> None:
    with localcontext():
        Decimal(2).ln()  # inexact, and the context remembers it
        digits = Fraction(155_887_114_486_123_457, 10**20)
        assert parse_number(format_number(digits)) == digits


@pytest.mark.parametrize(
    ("text", "hours"), [("1d", 24), ("12 hours", 12), ("90 minutes", 1.5), ("0s", 0), ("1 Day", 24)]
)
def test_durations(text: str, hours: float) -> None:
    assert parse_duration(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "1", "day", "1 month", "-1d", "1.2.3 h", "9" * 20 + "d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="12 hours"):
        parse_duration(text)
