"""The user's error: it crosses process borders, and takes on the place where it was raised."""

from __future__ import annotations

import pickle

import pytest

from raycl.errors import InputError, within


def _raise(where: str = "field") -> None:
    raise InputError(where, "it is 3", "Write 4")


def test_it_reads_as_place_problem_and_remedy() -> None:
    assert str(InputError("file", "it is empty", "Fill it")) == "file: it is empty. Fill it"


def test_it_survives_pickling_with_its_parts() -> None:
    copy = pickle.loads(pickle.dumps(InputError("file", "it is empty", "Fill it")))
    assert (copy.where, copy.problem, copy.remedy) == ("file", "it is empty", "Fill it")


def test_within_puts_its_place_in_front() -> None:
    with pytest.raises(InputError) as caught, within("recipe.yaml"):
        _raise()
    assert caught.value.where == "recipe.yaml: field"
    assert (caught.value.problem, caught.value.remedy) == ("it is 3", "Write 4")
    assert str(caught.value) == "recipe.yaml: field: it is 3. Write 4"


def test_nested_places_add_up_from_the_outside_in() -> None:
    with pytest.raises(InputError) as caught, within("a"), within("b"):
        _raise("c")
    assert caught.value.where == "a: b: c"


def test_an_error_without_a_place_takes_that_of_the_block() -> None:
    with pytest.raises(InputError) as caught, within("a"):
        _raise("")
    assert caught.value.where == "a"


def test_the_original_cause_is_kept() -> None:
    cause = ValueError("three")
    with pytest.raises(InputError) as caught, within("a"), within("b"):
        raise InputError("c", "it is 3", "Write 4") from cause
    assert caught.value.__cause__ is cause


def test_other_errors_pass_unchanged() -> None:
    error = FileNotFoundError("gone")
    with pytest.raises(FileNotFoundError) as caught, within("a"):
        raise error
    assert caught.value is error


def test_a_block_without_an_error_returns_normally() -> None:
    with within("a"):
        value = 3
    assert value == 3
