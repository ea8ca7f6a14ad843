"""States on storage: found, verified, pruned, exported; no pickle."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file

from raycl.errors import InputError
from raycl.states.mark import write_mark
from raycl.storage import Storage
from raycl.train.checkpoint.export import export_hugging_face
from raycl.train.checkpoint.load import deepest_state, load_model
from raycl.train.checkpoint.stored_state import read_state
from raycl.train.loop import train
from tests.helpers.state_marks import state_mark
from tests.helpers.training_runs import make_batches, make_storage, make_task, run


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return make_storage(tmp_path)


def folder(storage: Storage, step: int) -> Path:
    assert storage.local_root is not None
    return storage.local_root / "states" / make_task().chain.name(step)


def test_deepest_state_on_the_chain(storage: Storage) -> None:
    chain = make_task().chain
    assert deepest_state(storage, chain, 8) is None
    other = make_task(steps=9, reset=False).chain
    for step, name in ((2, chain.name(2)), (4, chain.name(4)), (6, other.name(6))):
        write_mark(storage, name, state_mark(name, step=step))
    storage.write_bytes(f"states/{chain.name(7)}/history.parquet", b"no mark")
    storage.write_bytes("states/notes/state.json", b"{}")
    for stop, expected in ((8, 4), (4, 4), (3, 2), (2, 2)):
        found = deepest_state(storage, chain, stop)
        assert found is not None
        assert (found.step, found.name) == (expected, chain.name(expected))
    assert deepest_state(storage, chain, 1) is None


def test_only_the_last_intermediate_states_stay(storage: Storage) -> None:
    run(storage, stop=2)
    seen: list[set[int]] = []
    task = make_task(start=2, stop=8, save_every=1, keep_last=2)

    def watched(first: int) -> Iterator[np.ndarray]:
        for rows in make_batches(task, storage)(first):
            marked = (n for n in storage.list("states") if storage.exists(f"states/{n}/state.json"))
            seen.append({int(name[:9]) for name in marked})
            yield rows

    train(task, storage, watched, lambda _: None)
    assert max(map(len, seen)) <= 4  # the start, two that stay, and one before its turn
    assert all(2 in steps for steps in seen)
    assert {int(name[:9]) for name in storage.list("states")} == {2, 8}


def test_an_intermediate_state_that_becomes_an_end_stays(storage: Storage) -> None:
    task = make_task(stop=8, save_every=2)

    def batches(first: int) -> Iterator[np.ndarray]:
        for step, rows in enumerate(make_batches(task, storage)(first), first):
            if step == 5:  # another sweep's node ends after 4 steps
                while not (folder(storage, 4) / "state.json").exists():
                    pass
                assert run(storage, stop=4)[-1]["optimizer_steps"] == 0
            yield rows

    train(task, storage, batches, lambda _: None)
    assert {int(name[:9]) for name in storage.list("states")} == {4, 8}


def test_a_flipped_byte_is_found_and_named(storage: Storage) -> None:
    run(storage, stop=2)
    file = next(folder(storage, 2).glob("*.safetensors"))
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(InputError, match=file.name):
        run(storage, start=2)


def test_a_missing_file_is_named(storage: Storage) -> None:
    run(storage, stop=2)
    file = next(folder(storage, 2).glob("*.safetensors"))
    file.unlink()
    with pytest.raises(InputError, match=file.name):
        run(storage, start=2)


def test_a_file_of_another_state_is_refused(storage: Storage) -> None:
    run(storage, stop=2)
    file = next(folder(storage, 2).glob("*.safetensors"))
    file.with_name("stranger.safetensors").write_bytes(file.read_bytes())
    with pytest.raises(InputError, match="stranger"):
        run(storage, start=2)


class Bomb:
    """Its unpickling leaves a file behind."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.path,)


def test_no_pickle_is_written_or_read(storage: Storage, tmp_path: Path) -> None:
    run(storage, stop=2)
    kinds = {path.suffix for path in folder(storage, 2).iterdir()}
    assert kinds == {".safetensors", ".json", ".parquet"}
    trap = tmp_path / "sprung"
    (folder(storage, 2) / ".metadata").write_bytes(pickle.dumps(Bomb(str(trap))))
    run(storage, start=2)
    assert not trap.exists()


def test_an_error_in_the_background_is_raised(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Storage, "write_json", full)
    with pytest.raises(OSError, match="No space left"):
        run(storage, save_every=1)


def test_export_gives_the_same_model_to_transformers(storage: Storage, tmp_path: Path) -> None:
    run(storage, stop=2)
    export_hugging_face(storage, make_task().chain.name(2), tmp_path / "exported")
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "exported")
    stored = load_file(next(folder(storage, 2).glob("*.safetensors")))
    weights = model.state_dict()
    names = {name.removeprefix("model.") for name in stored if name.startswith("model.")}
    assert names == set(dict(model.named_parameters()))
    assert all(torch.equal(weights[name], stored[f"model.{name}"]) for name in names)
    assert json.loads((tmp_path / "exported" / "config.json").read_text())["use_cache"] is True


def test_no_weight_of_a_state_is_left_out(storage: Storage) -> None:
    """A model whose head is tied would load this state, and lose its head without a word."""
    run(storage)
    state = deepest_state(storage, make_task().chain, 6)
    assert state is not None
    model = state.mark.model
    tied = replace(model, config={**model.config, "tie_word_embeddings": True})
    changed = state.mark.model_copy(update={"model": tied})
    write_mark(storage, state.name, changed)
    with pytest.raises(InputError, match=r"no place for model\.(lm_head|embed_out)\.weight"):
        load_model(storage, read_state(storage, state.name), 16)
