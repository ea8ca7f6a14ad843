"""Stages that train a part of the weights, by two workers that share each tensor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers.model_types import configuration
from tests.helpers.training_runs import FIRST_STAGE, make_storage, run
from tests.helpers.worker_processes import launch
from tests.train.test_partial import LORA, moved, stored

CASES: dict[str, dict[str, Any]] = {
    "adapters, then all": {"config": configuration("gpt2"), "trains": (LORA, "all")},
    "all, then adapters": {"config": configuration("gpt_neox"), "trains": ("all", LORA)},
    "adapters of two ranks": {
        "config": configuration("llama"),
        "trains": (LORA, {"lora": {"rank": 3}}),
    },
    "embeddings, then blocks": {
        "config": configuration("llama", tie_word_embeddings=True),
        "trains": ("embeddings", {"freeze": ["embeddings", "*.0.*"]}),
    },
}


@pytest.mark.slow
def test_two_workers_train_what_one_does(tmp_path: Path) -> None:
    one = {name: make_storage(tmp_path / f"one, {name}") for name in CASES}
    two = {name: make_storage(tmp_path / f"two, {name}") for name in CASES}
    for name, fields in CASES.items():
        run(one[name], **fields)
    assert launch(2, [(two[name], dict(fields)) for name, fields in CASES.items()]) == [0, 0]
    for name, fields in CASES.items():
        for step in (FIRST_STAGE, 6):
            expected, found = (stored(storage[name], step, **fields) for storage in (one, two))
            assert expected.keys() == found.keys(), name
            for tensor, values in expected.items():
                torch.testing.assert_close(
                    found[tensor], values, rtol=1e-3, atol=2e-5, msg=f"{name}: {tensor}"
                )
        if "all" not in fields["trains"] and "lora" not in fields["trains"][1]:
            first, last = (stored(two[name], step, **fields) for step in (FIRST_STAGE, 6))
            assert not any("embed" in tensor or ".0." in tensor for tensor in moved(first, last))


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    fields = CASES["adapters of two ranks"] | {"save_every": 1}
    whole, killed = (make_storage(tmp_path / part) for part in ("whole", "killed"))
    assert launch(2, [(whole, dict(fields))]) == [0, 0]
    assert launch(2, [(killed, dict(fields))], DIE_BEFORE_COMMIT="5") != [0, 0]
    assert launch(2, [(killed, dict(fields))]) == [0, 0]
    expected, found = (stored(storage, 6, **fields) for storage in (whole, killed))
    assert all(torch.equal(found[tensor], expected[tensor]) for tensor in expected)


@pytest.mark.slow
def test_merged_weights_have_the_same_bits_on_any_number_of_workers(tmp_path: Path) -> None:
    fields = CASES["adapters, then all"] | {"rates": (1e-2, 1e-30)}  # the second changes nothing
    storage, alone = make_storage(tmp_path / "two"), make_storage(tmp_path / "one")
    run(storage, **fields, stop=FIRST_STAGE)
    run(alone, **fields, stop=FIRST_STAGE)
    run(alone, **fields)
    assert launch(2, [(storage, dict(fields))]) == [0, 0]
    expected, found = (stored(place, 6, **fields) for place in (alone, storage))
    assert not {name for name in moved(expected, found) if name.endswith(".weight")}
