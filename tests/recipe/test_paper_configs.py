"""The paper's recipes: they plan, and their numbers are the paper's."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import pytest

from raycl.plan.cost import make_plan
from raycl.plan.training import Training
from raycl.plan.tree import build_tree
from raycl.recipe.definition import (
    LEAST_SHARED,
    Definition,
    corpus_facts,
    define,
    make_tree,
    trainings,
)
from tests.helpers.paths import ROOT

FOLDER = ROOT / "configs" / "paper"
README = (FOLDER.parent / "README.md").read_text()
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
PILE, GERMAN, PART = 132_366, 88_457, 44_229
TOKENS_PER_STEP = 1104 * 2048


@cache
def paper(name: str) -> Definition:
    return define(FOLDER / f"{name}.yaml")


@cache
def whole(name: str, *overrides: str) -> dict[str, Training]:
    definition = define(FOLDER / f"{name}.yaml", overrides) if overrides else paper(name)
    return trainings(definition, corpus_facts(definition, None))


def end(name: str, label: str) -> str:
    """The name of a recipe's last state."""
    chain = whole(name)[label].chain
    return chain.name(chain.steps)


def test_every_experiment_has_its_file() -> None:
    experiments = {name.partition("-")[0] for name in NAMES}
    assert experiments == {*(f"e{number}" for number in range(14)), "g1"}


@pytest.mark.parametrize("name", NAMES)
def test_batches_models_and_checks_are_the_papers(name: str) -> None:
    recipe = paper(name).recipe
    assert recipe.name == name
    assert recipe.rows_per_step == (1024 if name == "g1-gupta" else 1104)
    assert (recipe.sequence_length, recipe.tokenizer.load) == (2048, "EleutherAI/gpt-neox-20b")
    validation = recipe.validation
    assert (validation.every, validation.rows) == (100, 1380)
    # A forward pass is a third of a training step. Validation is at most 5 % of all compute.
    validated = validation.rows * len(recipe.corpora)
    assert validated / (validated + 3 * 100 * recipe.rows_per_step) <= 0.05
    assert (recipe.validation.final_steps, recipe.execution.save_every) == (100, 400)
    plan = make_plan(make_tree(paper(name), corpus_facts(paper(name), None)), ())
    row = next(line for line in README.splitlines() if f"(paper/{name}.yaml)" in line)
    assert f"| {plan.steps:,} |" in row
    assert plan.parameters == pytest.approx(9.64e9 if name == "e7-scale" else 405.3e6, rel=1e-3)
    lines = (FOLDER / f"{name}.yaml").read_text().partition("\nname:")[0].splitlines()
    assert all(line.startswith("#") for line in lines)
    assert any("Came out" in line for line in lines)
    assert any("Costs:" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("e0-pile", [PILE]),
        ("e1-scratch-weak", [PILE]),
        ("e1-scratch-strong", [GERMAN]),
        ("e2-union-weak", [264_732]),
        ("e2-union-strong", [220_823]),
        ("e4-max-lr-weak", [PILE] * 2),
        ("e5-replay-weak", [PILE] * 2),
        ("e6-replay-strong", [PILE, GERMAN]),
        ("e7-scale", [PILE] * 2),
        ("e8-same-data", [PILE] * 2),
        ("e9-infinite-single", [PILE]),
        ("e10-infinite-stages", [PART] * 3),
        ("e12-replay-history", [PILE, PART, PART, PART]),
        ("e11-domain-incremental", [PILE, 4462, 5291, 5563, 5861, 6914, 35_326, 68_946]),
    ],
)
def test_stages_have_the_papers_steps(name: str, steps: list[int]) -> None:
    for variant in paper(name).variants:
        if variant.kind == "sweep":
            assert [s.steps for s in whole(name)[variant.label].chain.stages] == steps


def test_tokens_are_the_papers() -> None:
    for steps, tokens in (
        (PILE, 299.28e9),
        (GERMAN, 200.0e9),
        (PART, 100.0e9),
        (264_732, 598.56e9),
    ):
        assert steps * TOKENS_PER_STEP == pytest.approx(tokens, rel=1e-4)
    for label, training in whole("e3-warmup-weak").items():
        if label != "pile only":
            assert training.chain.stages[1].steps * TOKENS_PER_STEP == pytest.approx(50e9, rel=1e-4)


def test_rates_are_the_papers() -> None:
    """Check values of the paper's §1.2: the decay's quarter, half and end."""
    rates = whole("e0-pile")["e0-pile"].chain.learning_rates(0, PILE)
    warmup = 0.01 * PILE
    quarter, half = (round(warmup + part * (PILE - warmup)) for part in (0.25, 0.5))
    assert rates[0] == 0
    assert rates.max() == pytest.approx(3e-4, rel=1e-6)
    assert rates[[quarter, half, -1]] == pytest.approx([2.605e-4, 1.65e-4, 3e-5], rel=1e-3)
    wide = whole("e7-scale")["replay 0%"].chain.learning_rates(0, PILE)
    assert (wide.max(), wide[-1]) == pytest.approx((1.2e-4, 1.2e-5), rel=1e-3)


def test_unions_and_scratches_are_the_recipes_that_train_them() -> None:
    for name in ("e4-max-lr-weak", "e5-replay-weak"):
        assert end(name, "union") == end("e2-union-weak", "e2-union-weak")
        assert end(name, "slimpajama from scratch") == end("e1-scratch-weak", "e1-scratch-weak")
    for name in ("e4-max-lr-strong", "e6-replay-strong"):
        assert end(name, "union") == end("e2-union-strong", "e2-union-strong")
        assert end(name, "german from scratch") == end("e1-scratch-strong", "e1-scratch-strong")
    assert end("e4-max-lr-weak", "max_lr 3e-4") == end("e5-replay-weak", "replay 0%")


def test_every_recipe_that_begins_with_the_pile_shares_it() -> None:
    beginnings = {
        training.chain.name(PILE)
        for name in NAMES
        if name not in ("e7-scale", "g1-gupta") and paper(name).recipe.stages[0].name == "pile"
        for label, training in whole(name).items()
        if training.chain.stages[0].name == "pile" and label != "union"
    }
    assert beginnings == {end("e0-pile", "e0-pile")}


def test_the_trees_of_e3_to_e6_train_the_pile_once() -> None:
    """And warm-ups of one slope: half as long to half the rate."""
    names = [name for name in NAMES if name[:3] in ("e3-", "e4-", "e5-", "e6-")]
    recipes = {f"{name}: {label}": t for name in names for label, t in whole(name).items()}
    tree = build_tree(recipes, LEAST_SHARED)
    of_pile = [node for node in tree.nodes if node.training.stage == "pile"]
    assert [node.steps for node in of_pile] == [PILE]
    part = round(50e9 / TOKENS_PER_STEP)
    # Three warm-ups beside the paper's; max_lr 3e-4 is replay 0 %: 5 + 6 − 1 recipes.
    weak, strong = 3 * part + 10 * PILE, 3 * part + 10 * GERMAN
    warmups = sum(round(share * steps) for steps in (PILE, GERMAN) for share in (0.005, 0.01, 0.01))
    baselines = 264_732 + 220_823 + PILE + GERMAN
    assert tree.steps == pytest.approx(PILE + weak + strong + baselines - warmups, abs=3)
    assert tree.steps < 0.5 * tree.steps_alone


def test_replay_over_four_stages_is_the_published_one() -> None:
    """To the digit where the Pile counts as three parts, as the authors' files do (§4)."""
    published = [
        {"pile": "5"},
        {"pile": "3.8125", "sp": "1.1875"},
        {"pile": "3.088125", "sp": "1.911875"},
    ]
    chain = whole("e12-replay-history", f"pile.steps={3 * PART}")["replay 5%"].chain
    as_written = whole("e12-replay-history")["replay 5%"].chain
    parts = [stage.mixture for stage in chain.stages]
    for number, expected in enumerate(published, start=1):
        assert _replayed(chain.stages[number]) == {k: Fraction(v) for k, v in expected.items()}
        close = {k: pytest.approx(float(v), abs=3e-3) for k, v in expected.items()}
        assert {k: float(v) for k, v in _replayed(as_written.stages[number]).items()} == close
    for corpus in ("commoncrawl", "stackexchange"):  # part 1 by 0.961875 and part 2 by 0.95
        first, second = (
            next(s.weight for s in part.sources if s.corpus == corpus and not s.replay)
            for part in parts[1:3]
        )
        third = next(s.weight for s in parts[3].sources if s.corpus == corpus and s.replay)
        percent = Fraction("0.961875") * first + Fraction("0.95") * second
        assert 100 * third * parts[3].replay == percent


def _replayed(stage: object) -> dict[str, Fraction]:
    """Percent of the batch that is replayed, of the Pile and of SlimPajama."""
    mixture = stage.mixture  # type: ignore[attr-defined]
    shares: dict[str, Fraction] = {}
    for source in mixture.sources:
        if source.replay:
            name = "pile" if source.corpus == "pile" else "sp"
            shares[name] = shares.get(name, Fraction(0)) + 100 * source.weight * mixture.replay
    return shares


def test_infinite_schedules_have_the_papers_phases() -> None:
    """Plateau from 61 % to 86 % of one stage (§1.5); over stages it goes on, and anneals leave."""
    rates = whole("e9-infinite-single")["infinite cosine"].chain.learning_rates(0, PILE)
    plateau = (rates == 1.65e-4).nonzero()[0]
    assert (plateau[0] / PILE, plateau[-1] / PILE) == pytest.approx((0.61, 0.86), abs=1e-4)
    assert rates[-1] == pytest.approx(3e-5, rel=1e-3)
    trunk = whole("e10-infinite-stages")["infinite inverse-sqrt"].chain
    assert (trunk.learning_rates(PART, 3 * PART) == 1.65e-4).all()
    assert not trunk.resets_optimizer(PART)
    labels = [f"infinite cosine, anneal sp-{number} at 100%" for number in (1, 2, 3)]
    for number, label in enumerate(labels, start=1):
        branch = whole("e10-infinite-stages")[label].chain
        assert branch.steps == number * PART + round(0.14 * PART)
        assert branch.learning_rates(branch.steps - 1, branch.steps)[0] == pytest.approx(
            3e-5, rel=1e-3
        )


def test_g1_begins_at_pythias_points_and_reads_297b_tokens() -> None:
    starts, second = set(), set()
    for training in whole("g1-gupta").values():
        starts.add(training.chain.starts[1])
        second.add(training.chain.stages[1].steps * training.chain.tokens_per_step)
    assert starts == {10_000, 27_000, 143_000}
    assert list(second) == [pytest.approx(131_296 * TOKENS_PER_STEP, rel=1e-5)]
    assert len(whole("g1-gupta")) == 21
