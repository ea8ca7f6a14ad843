"""Every recipe of a sweep once more for each of its seeds."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raycl.errors import InputError
from raycl.recipe import Variant, expand, resolve
from raycl.recipe.branch_place import Wanted, departed_recipe
from raycl.recipe.checks import check_fields
from raycl.recipe.definition import Definition, definition_of
from raycl.recipe.seeds import seeds_text
from raycl.recipe.written_recipe import written_recipe
from tests.helpers.recipe_data import facts, recipe_data

MIXTURES: list[Any] = [
    {},
    {"mixture": {"old": "10%", "new": "90%"}},
    {"mixture": {"from": {"old": 1}, "to": {"new": 1}}, "loss_weight": {"new": 2}},
    {"replay": {"old": "10%"}, "max_epochs": {"new": 3}},
    {"changes": [{"from": "50%", "mixture": {"old": "5%", "new": "95%"}}]},
]


def data(fields: Any = None, **changes: Any) -> dict[str, Any]:
    made = recipe_data(sweep={"new.schedule.max_lr": ["1e-3", "3e-3"]}, **changes)
    made["stages"][1] |= fields or {}
    kinds = ["previous"] if "changes" in made["stages"][1] else ["union", "scratch", "previous"]
    return {**made, "baselines": kinds}


def names_of(definition: Definition) -> dict[str, list[str]]:
    """The names of states along every recipe, by its label, as if its corpora were prepared."""
    known = facts(dict.fromkeys(definition.material.corpora, 10_000))
    return {variant.label: _names(variant, known) for variant in definition.variants}


def _names(variant: Variant, known: dict[str, Any]) -> list[str]:
    training = resolve(variant.recipe, known, "my.yaml", variant.branch)
    return [training.chain.name(step) for step in range(0, training.chain.steps + 1, 5)]


@settings(max_examples=12)
@given(st.sampled_from(MIXTURES), st.integers(1, 3), st.integers(0, 9))
def test_number_0_is_the_recipe_without_seeds(fields: Any, count: int, seed: int) -> None:
    alone = definition_of(data(fields, seed=seed), "my.yaml")
    several = definition_of(data(fields, seed=seed, seeds=count), "my.yaml")
    names, found = names_of(alone), names_of(several)
    assert {label: found[label] for label in names} == names
    assert len(found) == count * len(names)
    # Whatever is drawn anew, no state of one number is that of another.
    states = [set(own) for own in found.values()]
    firsts = [found[v.label] for v in several.variants if v.seed == 0]
    others = {name for v in several.variants if v.seed for name in found[v.label]}
    assert not others & {name for own in firsts for name in own}
    assert len({frozenset(own) for own in states}) == len(states)


@settings(max_examples=10)
@given(st.lists(st.sampled_from(["weights", "order", "held_out"]), min_size=1, unique=True))
def test_only_what_is_asked_for_varies(vary: list[str]) -> None:
    made = definition_of(data(seeds={"count": 2, "vary": vary}), "my.yaml")
    own = {v.label: v.recipe for v in made.variants}
    first, second = own["max_lr 1e-3"], own["max_lr 1e-3, seed 1"]
    assert (second.seed - first.seed) == ("weights" in vary)
    (corpus,) = (c for name, c in second.corpora.items() if name.startswith("new"))
    assert corpus.seed == ("order" in vary)
    split = corpus.seed if corpus.held_out_seed is None else corpus.held_out_seed
    assert split == ("held_out" in vary)
    assert len(made.material.corpora) == (2 if vary == ["weights"] else 4)
    assert {v.setting for v in made.variants if v.seed} == {
        v.setting for v in made.variants if not v.seed
    }


def test_corpora_of_other_numbers_have_names_by_what_varies() -> None:
    def names(vary: list[str]) -> list[str]:
        made = definition_of(data(seeds={"count": 2, "vary": vary}), "my.yaml")
        return list(made.material.corpora)[2:]

    assert names(["weights", "order", "held_out"]) == ["old.seed1", "new.seed1"]
    assert names(["order"]) == ["old.order1", "new.order1"]
    assert names(["held_out", "weights"]) == ["old.held-out1", "new.held-out1"]


def test_branches_and_baselines_are_made_for_each_seed() -> None:
    schedule = {"kind": "infinite", "max_lr": "3e-3", "constant_lr": "5e-4", "min_lr": "1e-4"}
    schedule |= {"warmup": "1 step", "cooldown": "2 steps"}
    anneal = {"at": ["100%"], "length": "5 steps", "min_lr": "1e-4"}
    fields = {"schedule": schedule, "anneal": anneal}
    made = expand(data(fields, seeds=2), "my.yaml")
    assert sum(v.kind == "anneal" for v in made) == 4
    assert [(v.setting, v.kind) for v in made if v.seed == 1] == [
        (v.label, v.kind) for v in made if v.seed == 0
    ]
    union = next(v for v in made if v.kind == "union" and v.seed == 1)
    assert set(union.recipe.stages[0].mixture) == {"old.seed1", "new.seed1"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seeds": 0}, "seeds"),
        ({"seeds": {"count": 2, "vary": []}}, "vary"),
        ({"seeds": 2, "sweep": {"seed": [1, 2]}}, "sweep.seed gives recipes their seeds"),
        ({"sweep": {"seeds": [1, 2]}}, "every recipe is trained with the same seeds"),
        ({"seeds": 2, "corpora": {"old": "a", "new": "b", "new.seed1": "c"}}, "of this name"),
        ({"seeds": 2, "search": {"trials": 4}}, "with `search` every recipe is trained once"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        _checked({**data(), **changes})


def _checked(written: dict[str, Any]) -> None:
    check_fields(definition_of(written, "my.yaml").recipe, "my.yaml")


@pytest.mark.parametrize("fields", MIXTURES)
def test_a_recipe_of_a_seed_can_be_written_as_a_file_of_its_own(fields: Any) -> None:
    made = definition_of(data(fields, seeds=2), "my.yaml")
    known = facts(dict.fromkeys(made.material.corpora, 10_000))
    for variant in made.variants:
        if variant.seed:
            written = written_recipe(made, variant, "cpu")
            again = definition_of(written, "own.yaml")
            assert "seeds" not in written
            kinds = [v for v in again.variants if v.kind == variant.kind]
            assert _names(kinds[0], known) == _names(variant, known)


def test_a_branch_leaves_number_0_and_is_made_for_all() -> None:
    made = definition_of(data(seeds=2), "my.yaml")
    wanted = Wanted("small", ("max_lr 1e-3, seed 1",), {}, 0, 40, label="max_lr 1e-3, seed 1")
    with pytest.raises(InputError, match=r"all get the branch.*--label 'max_lr 1e-3'"):
        departed_recipe(made, wanted)
    first = replace(wanted, label="max_lr 1e-3")
    assert departed_recipe(made, first).label == "max_lr 1e-3"


def test_a_plan_says_what_the_seeds_cost() -> None:
    made = definition_of(data(seeds=3), "my.yaml")
    assert seeds_text([made.recipe], 300, 200) == (
        "3 seeds, each with its own initial weights, order of rows, held-out documents: 200 of 300 "
        "steps are those of the seeds after the first; the text is tokenised and kept once more "
        "for each."
    )
    read = data(seeds=2, model={"pretrained": "./base", "knows": ["old"]})
    pretrained = definition_of(read | {"baselines": []}, "my.yaml").recipe
    assert "its own order of rows, held-out documents:" in seeds_text([pretrained], 20, 10)
    assert seeds_text([definition_of(data(), "my.yaml").recipe], 100, 0) == ""
