"""Records: what is written is read, and whatever else lies in the place is refused in words."""

from __future__ import annotations

import json
import math
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycl.errors import InputError
from raycl.storage import Storage
from raycl.storage.record import (
    NewerFormatError,
    Part,
    Record,
    find_record,
    parse_record,
    read_record,
    record_bytes,
    sealed,
    write_record,
)

PATH = "folder/thing.json"


class Detail(Part):
    file: str
    size: int


class Thing(Record):
    FORMAT: ClassVar[int] = 3
    WHAT: ClassVar[str] = "a thing"
    REMEDY: ClassVar[str] = "Make the thing again"

    name: str
    details: tuple[Detail, ...] = ()
    losses: Mapping[str, float] = {}
    previous: str | None = None

    @classmethod
    def upgraded(cls, data: Any, written: int) -> Any:
        """Format 1 was the bare name; format 2 called it `title`."""
        return {"name": data} if written == 1 else {"name": data["title"]}


THINGS = st.builds(
    Thing,
    name=st.text(),
    details=st.lists(st.builds(Detail, file=st.text(), size=st.integers())).map(tuple),
    losses=st.dictionaries(st.text(), st.floats(allow_nan=False)),
    previous=st.none() | st.text(),
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def parsed(content: Any) -> Thing:
    return parse_record(json.dumps(content).encode(), Thing, "there")


def outcome(data: bytes) -> Thing | InputError:
    """The record, or the refusal; anything else fails the test."""
    try:
        return parse_record(data, Thing, "there")
    except InputError as error:
        return error


def refusal(data: bytes) -> InputError:
    error = outcome(data)
    assert isinstance(error, InputError)
    assert error.where == "there"
    return error


@given(THINGS)
def test_what_is_written_is_read(thing: Thing) -> None:
    assert parse_record(record_bytes(thing), Thing, "there") == thing


@given(THINGS)
def test_equal_records_have_equal_bytes(thing: Thing) -> None:
    again = parse_record(record_bytes(thing), Thing, "there")
    assert record_bytes(again) == record_bytes(thing)


@pytest.mark.parametrize("loss", [math.inf, -math.inf, math.nan])
def test_losses_that_are_not_finite_survive(loss: float) -> None:
    found = parse_record(record_bytes(Thing(name="x", losses={"a": loss})), Thing, "there")
    assert found.losses["a"] == loss or (math.isnan(loss) and math.isnan(found.losses["a"]))


@given(THINGS, st.data())
def test_a_flipped_bit_is_found_or_changes_nothing(thing: Thing, data: st.DataObject) -> None:
    whole = bytearray(record_bytes(thing))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= 1 << data.draw(st.integers(0, 7))
    found = outcome(bytes(whole))
    # Only what no value depends on passes: white space, and the case of the digits in \u00e4.
    assert isinstance(found, InputError) or found == thing


@given(THINGS, st.data())
def test_a_file_cut_short_is_refused(thing: Thing, data: st.DataObject) -> None:
    whole = record_bytes(thing).rstrip()
    refusal(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(JSON)
def test_other_json_is_refused_or_read_but_raises_nothing_else(content: Any) -> None:
    found = outcome(json.dumps(content).encode())
    if isinstance(found, InputError):
        newer = isinstance(found, NewerFormatError)
        remedy = "Use the raycl that wrote it, or a newer one" if newer else Thing.REMEDY
        assert (found.where, found.remedy) == ("there", remedy)


@given(st.binary())
def test_bytes_of_any_kind_raise_nothing_else(data: bytes) -> None:
    found = outcome(data)
    assert isinstance(found, Thing) or found.where == "there"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not valid JSON"),
        (b"\x80\x04\x95", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"null", "not a thing"),
        (b"[]", "not a thing"),
        (b"[" * 100_000, "not a thing"),
        (b'{"format": 3, "name": ' + b"[" * 900 + b"]" * 900 + b"}", "not a thing"),
        (b'{"format": 3}', "name: Field required"),
        (b'{"format": 3, "name": 5}', "name: Input should be a valid string"),
        (b'{"format": 3, "name": "x", "more": 1}', "more: Extra inputs are not permitted"),
        (b'{"format": 3, "name": "x", "details": [{"file": "f"}]}', "details.0.size"),
        (b'{"format": 3, "name": "x", "details": [{"file": "f", "size": 1.5}]}', "details.0.size"),
        (b'{"format": 2}', "not a thing"),
        (b'{"format": 0, "name": "x"}', "0 is not the number of a format"),
        (b'{"format": true, "name": "x"}', "True is not the number of a format"),
        (b'{"format": null, "name": "x"}', "None is not the number of a format"),
        (b'{"format": "3", "name": "x"}', "'3' is not the number of a format"),
        (b'{"format": 3, "name": "x", "crc32": 7}', "it does not match its checksum"),
        (b'{"format": 3, "name": "x", "crc32": null}', "it does not match its checksum"),
        (b'{"format": 3, "name": "' + b"9" * 9 + b'", "previous": ' + b"9" * 5000 + b"}", "not a"),
    ],
    ids=lambda value: value[:30].decode(errors="replace") if isinstance(value, bytes) else "",
)
def test_what_is_no_record_is_refused_in_words(content: bytes, problem: str) -> None:
    error = refusal(content)
    assert problem in error.problem
    assert error.remedy == "Make the thing again"


def test_older_formats_are_read() -> None:
    assert parsed("x") == Thing(name="x")
    assert parsed(sealed({"format": 2, "title": "x"})) == Thing(name="x")


def test_a_file_with_a_format_has_a_checksum() -> None:
    """A raycl that wrote the one wrote the other, so that it was taken out by hand."""
    for content in ({"format": 3, "name": "x"}, {"format": 2, "title": "x"}):
        assert refusal(json.dumps(content).encode()).problem == "its checksum is missing"


def test_a_file_that_is_far_too_long_is_not_read(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    write_record(storage, PATH, Thing(name="x"))
    os.truncate(tmp_path / PATH, 2**40)  # a sparse file: it takes no space
    with pytest.raises(InputError, match=r"1,099,511,627,776 bytes are too many for a thing"):
        read_record(storage, PATH, Thing)


@pytest.mark.parametrize("format_", [4, 10**30])
def test_a_newer_format_is_told_from_a_damaged_file(format_: int) -> None:
    error = refusal(json.dumps({"format": format_, "unknown": [1, 2]}).encode())
    assert error.problem == f"a thing in format {format_}; this raycl reads formats up to 3"
    assert error.remedy == "Use the raycl that wrote it, or a newer one"
    assert isinstance(error, NewerFormatError)
    assert isinstance(pickle.loads(pickle.dumps(error)), NewerFormatError)


def test_fields_at_their_defaults_are_not_written() -> None:
    assert set(json.loads(record_bytes(Thing(name="x")))) == {"name", "format", "crc32"}
    assert "previous" in json.loads(record_bytes(Thing(name="x", previous=None)))


def test_a_file_of_a_storage(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    assert find_record(storage, PATH, Thing) is None
    with pytest.raises(FileNotFoundError):
        read_record(storage, PATH, Thing)
    thing = Thing(name="x", details=(Detail(file="f", size=3),))
    write_record(storage, PATH, thing)
    assert read_record(storage, PATH, Thing) == find_record(storage, PATH, Thing) == thing
    assert storage.read_json(PATH)["format"] == 3


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.write_bytes(f"{PATH}/file", b"")
    for read in (read_record, find_record):
        with pytest.raises(InputError, match=r"thing\.json: a folder, not a thing\. Make the"):
            read(storage, PATH, Thing)


def test_a_file_in_the_place_of_its_folder(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.write_bytes("folder", b"")
    with pytest.raises(InputError, match=r"thing\.json: a part of its path is a file\. Make the"):
        read_record(storage, PATH, Thing)
