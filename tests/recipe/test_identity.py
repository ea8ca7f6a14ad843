"""A state's name is true to all that its training depends on, and to nothing else.

Each case changes one thing of `Inputs`. A change that matters gives another name, to which no other
change leads either; one that does not matter gives the same name.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raycl.recipe import parse_recipe, resolve
from raycl.recipe.resolution import read_resolution
from raycl.recipe.stage_rows import CorpusFacts
from tests.helpers.checkpoints import CONFIG, small_tensors, write_checkpoint
from tests.helpers.identity import Inputs, end_state
from tests.helpers.recipe_data import changed, facts, recipe_data

TENSORS = small_tensors()
Change = Callable[[Inputs], Inputs]


def recipe(**fields: Any) -> Change:
    return lambda inputs: replace(inputs, recipe={**inputs.recipe, **fields})


def config(**fields: Any) -> Change:
    return lambda inputs: replace(inputs, config={**inputs.config, **fields})


def corpora(change: Callable[[CorpusFacts], CorpusFacts]) -> Change:
    return lambda inputs: replace(
        inputs, corpora={**inputs.corpora, "new": change(inputs.corpora["new"])}
    )


def stage(**fields: Any) -> Change:
    return recipe(stages=changed(1, **fields)["stages"])


def a_byte(inputs: Inputs) -> Inputs:
    dtype, shape, data = inputs.tensors["model.norm.weight"]
    tensor = (dtype, shape, data[:-1] + bytes([data[-1] ^ 1]))
    return replace(inputs, tensors={**inputs.tensors, "model.norm.weight": tensor})


MATTERS: Mapping[str, Change] = {
    "a byte of a weight": a_byte,
    "a tensor more": lambda i: replace(
        i, tensors={**i.tensors, "bias": TENSORS["model.norm.weight"]}
    ),
    "a field of the configuration": config(rope_theta=5e5),
    "a nested field": config(rope_parameters={"rope_type": "default", "rope_theta": 5e5}),
    "tied matrices": config(tie_word_embeddings=True),
    "padding, which gets no gradient": config(pad_token_id=0),
    "precision": recipe(execution={"precision": "bfloat16"}),
    "seed": recipe(seed=1),
    "a rate of the optimizer": recipe(optimizer={"weight_decay": 0.2}),
    "mixture": stage(replay="50%"),
    "schedule": stage(schedule="reuse"),
    "length": stage(steps=21),
    "hand-off": stage(optimizer="carry"),
    "batch": recipe(global_batch=4),
    "random weights": recipe(),  # completed below, as it needs the folder
    "content of a corpus": corpora(lambda c: replace(c, fingerprint="other")),
    "rows of a corpus": lambda i: stage(at_end="repeat")(
        corpora(lambda c: replace(c, rows=101))(i)
    ),
}
DOES_NOT_MATTER: Mapping[str, Change] = {
    "path": lambda i: replace(i, folder="else/where/base"),
    "sharding": lambda i: replace(i, shards=3),
    "order in the header": lambda i: replace(i, order=sorted(TENSORS, reverse=True)),
    "metadata": lambda i: replace(i, metadata={"format": "pt"}),
    "dropout, which is off": config(attention_dropout=0.5, resid_pdrop=0.1),
    "version of transformers": config(transformers_version="5.0", architectures=["Other"]),
    "type of the stored weights": config(torch_dtype="bfloat16", dtype="bfloat16"),
    "cache": config(use_cache=False),
    "labels of classes": config(id2label={"0": "a"}, num_labels=3),
    "origin": config(_name_or_path="/home/somebody"),
    "generation": config(temperature=0.5, do_sample=True, max_length=3),
    "micro-batch": recipe(execution={"micro_batch": 1}),
    "attention": recipe(execution={"attention": "sdpa"}),
    "precision as auto resolves": recipe(execution={"precision": "float32"}),
    "workers": stage(workers=2),
    "elastic workers": stage(workers={"min": 1, "max": 2}),
    "name": recipe(name="other"),
    "validation": recipe(validation={"rows": 8, "every": 5}),
    "states kept": recipe(execution={"save_every": 3, "keep_last": 5}),
    "folder of a corpus": corpora(lambda c: replace(c, folder="corpora/elsewhere")),
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def plain(tmp_path: Path) -> str:
    return end_state(Inputs(), tmp_path / "plain")


def changed_inputs(name: str, place: Path) -> Inputs:
    if name == "random weights":
        model = {"pretrained": str(place / "base"), "weights": "random"}
        return recipe(model=model)(Inputs())
    return MATTERS[name](Inputs())


def test_what_matters_gives_another_name(plain: str, tmp_path: Path) -> None:
    names = {
        name: end_state(changed_inputs(name, tmp_path / name), tmp_path / name) for name in MATTERS
    }
    assert {name for name, end in names.items() if end == plain} == set()
    assert len(set(names.values())) == len(MATTERS)


def test_names_of_earlier_versions(plain: str, tmp_path: Path) -> None:
    """A start from a checkpoint keeps its name. Weights of a class are drawn otherwise since."""
    assert plain == "000000040-768b274753ac8fcc940d1a2ac8cde674844ef728"
    random = end_state(changed_inputs("random weights", tmp_path), tmp_path)
    assert random == "000000040-ad5463cf2376931bbc22622c0b47667ca5bf163e"


@pytest.mark.parametrize("name", DOES_NOT_MATTER)
def test_what_does_not_matter_gives_the_same_name(name: str, plain: str, tmp_path: Path) -> None:
    assert end_state(DOES_NOT_MATTER[name](Inputs()), tmp_path / "changed") == plain


@given(
    matters=st.sampled_from(sorted(set(MATTERS) - {"random weights"})),
    others=st.lists(st.sampled_from(sorted(DOES_NOT_MATTER)), max_size=3, unique=True),
)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_what_does_not_matter_does_not_hide_what_does(
    tmp_path_factory: pytest.TempPathFactory, plain: str, matters: str, others: list[str]
) -> None:
    inputs = Inputs()
    for name in others:
        inputs = DOES_NOT_MATTER[name](inputs)
    place = tmp_path_factory.mktemp("identity")
    assert end_state(MATTERS[matters](inputs), place) != plain


def test_a_device_matters_where_the_precision_is_left_to_it(plain: str, tmp_path: Path) -> None:
    on_gpus = end_state(Inputs(device="cuda"), tmp_path / "cuda")
    assert on_gpus != plain
    bfloat16 = Inputs(device="cpu", recipe={"execution": {"precision": "bfloat16"}})
    assert end_state(bfloat16, tmp_path / "bfloat16") == on_gpus
    float32 = Inputs(device="cuda", recipe={"execution": {"precision": "float32"}})
    assert end_state(float32, tmp_path / "float32") == plain


def test_times_and_links_do_not_matter(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "base")
    before = name_of(str(folder))
    for file in folder.iterdir():
        os.utime(file, (0, 0))
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "link").symlink_to(folder)
    paths = (folder, tmp_path / "copy", tmp_path / "link", f"{tmp_path}/x/../base/")
    assert [name_of(str(path)) for path in paths] == [before] * 4


def name_of(reference: str) -> str:
    made = parse_recipe(recipe_data(model={"pretrained": reference}), "x")
    resolution = read_resolution([made], None)
    rows = facts({"old": 10_000, "new": 10_000}, vocabulary=64)
    return resolve(made, rows, "x", resolution=resolution).chain.name(40)


def test_what_is_written_into_a_configuration_by_hand_is_named_alike() -> None:
    """A preset's fields and its dropout are those of a configuration in the recipe."""
    plain = {key: value for key, value in CONFIG.items() if "dropout" not in key}
    names = set()
    for fields in (plain, {**plain, "attention_dropout": 0.0}, {**plain, "use_cache": False}):
        made = parse_recipe(recipe_data(model={"config": fields}), "x")
        rows = facts({"old": 10_000, "new": 10_000}, vocabulary=64)
        names.add(resolve(made, rows, "x").chain.name(40))
    assert len(names) == 1
