"""States that hold less than all of a training: what goes on from them, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from raycl.errors import InputError
from raycl.states.history import read_history
from raycl.states.mark import StateMark, read_mark
from raycl.states.reduced import held, keep_results
from raycl.states.verify import state_faults
from raycl.storage import Storage, layout
from raycl.train.checkpoint.load import deepest_state, load_model
from raycl.train.checkpoint.reduce import keep_weights, moment_bytes
from raycl.train.checkpoint.stored_state import read_state
from tests.helpers.training_runs import FIRST_STAGE, make_storage, make_task, run

Change = Callable[[Storage, StateMark], None]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return make_storage(tmp_path / "storage")


def folder(storage: Storage, step: int, **fields: Any) -> Path:
    assert storage.local_root is not None
    return storage.local_root / "states" / make_task(**fields).chain.name(step)


def tensors(storage: Storage, step: int, **fields: Any) -> dict[str, torch.Tensor]:
    files = folder(storage, step, **fields).glob("*.safetensors")
    return {name: tensor for file in files for name, tensor in load_file(file).items()}


def assert_equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def steps_of(reports: list[dict[str, Any]]) -> int:
    return int(reports[-1]["optimizer_steps"])


def test_a_hand_off_from_weights_alone_is_that_from_the_whole_state(
    storage: Storage, tmp_path: Path
) -> None:
    whole = make_storage(tmp_path / "whole")
    run(whole, stop=FIRST_STAGE)
    run(storage, stop=FIRST_STAGE, end="weights")
    light = tensors(storage, FIRST_STAGE)
    assert not any(name.startswith("optimizer.") for name in light)
    before = tensors(whole, FIRST_STAGE)
    assert_equal(light, {name: t for name, t in before.items() if name.startswith("model.")})
    assert steps_of(run(storage, start=FIRST_STAGE, stop=8)) == 8 - FIRST_STAGE
    run(whole, start=FIRST_STAGE, stop=8)
    assert_equal(tensors(storage, 8), tensors(whole, 8))


def test_a_resume_does_not_take_weights_alone(storage: Storage, tmp_path: Path) -> None:
    alone = make_storage(tmp_path / "alone")
    run(storage, stop=FIRST_STAGE, reset=False, end="weights", save_every=3, keep_every=3)
    chain = make_task(reset=False).chain
    found = deepest_state(storage, chain, 8)
    assert found is not None
    assert found.step == 3
    assert steps_of(run(storage, start=FIRST_STAGE, stop=8, reset=False)) == 5
    run(alone, stop=8, reset=False)
    assert_equal(tensors(storage, 8, reset=False), tensors(alone, 8, reset=False))
    # The light state is as it was, and serves for what asks for no more.
    assert held(storage, chain.name(FIRST_STAGE), "weights")
    assert not held(storage, chain.name(FIRST_STAGE), "all")
    end = deepest_state(storage, chain, FIRST_STAGE)
    assert end is not None
    assert end.step == FIRST_STAGE


@pytest.mark.parametrize("level", ["weights", "results"])
def test_an_end_that_holds_too_little_is_made_whole_again(
    storage: Storage, tmp_path: Path, level: str
) -> None:
    whole = make_storage(tmp_path / "whole")
    run(whole, stop=FIRST_STAGE)
    run(storage, stop=FIRST_STAGE, end="weights")
    name = make_task().chain.name(FIRST_STAGE)
    if level == "results":
        keep_results(storage, read_mark(storage, name))
    history = read_history(storage, read_mark(storage, name))
    assert steps_of(run(storage, stop=FIRST_STAGE, least="all")) == FIRST_STAGE
    assert_equal(tensors(storage, FIRST_STAGE), tensors(whole, FIRST_STAGE))
    assert files(storage) == files(whole)
    assert read_history(storage, read_mark(storage, name)).equals(history)
    assert not list(state_faults(storage, name))
    assert steps_of(run(storage, stop=FIRST_STAGE, least="all")) == 0


def files(storage: Storage) -> set[str]:
    return {file.name for file in folder(storage, FIRST_STAGE).iterdir()}


def test_a_whole_state_becomes_the_one_that_is_written_light(
    storage: Storage, tmp_path: Path
) -> None:
    light = make_storage(tmp_path / "light")
    run(light, stop=FIRST_STAGE, end="weights")
    run(storage, stop=FIRST_STAGE)
    mark = read_mark(storage, make_task().chain.name(FIRST_STAGE))
    keep_weights(storage, mark)
    assert files(storage) == files(light)
    assert_equal(tensors(storage, FIRST_STAGE), tensors(light, FIRST_STAGE))
    assert not list(state_faults(storage, mark.name))


@pytest.mark.parametrize("trains", ["all", "embeddings"])
def test_what_leaving_the_optimizer_out_frees_is_known_before(
    storage: Storage, trains: str
) -> None:
    fields: dict[str, Any] = {"trains": (trains, trains)}
    run(storage, stop=FIRST_STAGE, **fields)
    mark = read_mark(storage, make_task(**fields).chain.name(FIRST_STAGE))
    whole = tensors(storage, FIRST_STAGE, **fields)
    moments = sum(t.nbytes for n, t in whole.items() if n.startswith("optimizer."))
    assert moment_bytes(storage, mark) == moments > 0
    weights = sum(t.nbytes for t in whole.values()) - moments
    assert (moments == 2 * weights) == (trains == "all")


def test_results_alone_load_nothing_and_say_so(storage: Storage) -> None:
    run(storage, stop=FIRST_STAGE)
    state = read_state(storage, make_task().chain.name(FIRST_STAGE))
    history = read_history(storage, state.mark)
    keep_results(storage, state.mark)
    assert files(storage) == {"history.parquet", "reduced", "state.json", "validation_rows.parquet"}
    state = read_state(storage, state.name)
    assert read_history(storage, state.mark).equals(history)
    with pytest.raises(InputError, match=r"holds results alone[\s\S]*run the sweep again"):
        load_model(storage, state, 16)
    assert deepest_state(storage, make_task().chain, 8) is None
    assert not list(state_faults(storage, state.name))
    # Neither is it trained again by itself.
    assert steps_of(run(storage, stop=FIRST_STAGE)) == 0


class Killed(Exception):
    """In place of a signal that ends the process."""


class Dying(Storage):
    """A storage whose process dies before its n-th change."""

    def __init__(self, storage: Storage, changes: int) -> None:
        super().__init__(storage.url)
        self._left = changes

    def _change(self) -> None:
        if self._left == 0:
            raise Killed
        self._left -= 1

    def write_bytes(self, path: str, data: bytes) -> None:
        self._change()
        super().write_bytes(path, data)

    def write_stream(self, path: str, content: Any, size: int) -> None:
        self._change()
        super().write_stream(path, content, size)

    def remove(self, path: str) -> None:
        self._change()
        super().remove(path)


@pytest.mark.parametrize("change", [keep_weights, keep_results])
def test_a_killed_change_leaves_the_state_as_it_was_or_as_it_shall_be(
    storage: Storage, change: Change
) -> None:
    run(storage, stop=FIRST_STAGE)
    chain = make_task().chain
    name = chain.name(FIRST_STAGE)
    before = tensors(storage, FIRST_STAGE)
    kinds = []
    for changes in range(20):
        try:
            change(Dying(storage, changes), read_mark(storage, name))
        except Killed:
            mark = read_mark(storage, name)
            kinds.append(mark.holds)
            assert not list(state_faults(storage, name))
            if mark.holds != "results":
                stored = load_model(storage, read_state(storage, name), 16).state_dict()
                assert all(torch.equal(stored[n], before[n]) for n in stored if n in before)
            assert held(storage, name, "all") == (mark.holds == "all")
        else:
            break
    assert kinds[0] == "all"
    assert kinds[-1] == read_mark(storage, name).holds != "all"
    left = {"state.json", "history.parquet", "reduced", "validation_rows.parquet"}
    assert {f for f in files(storage) if "weights" not in f} == left
    assert layout.STATE_REDUCED in files(storage)
