"""`raycl extend`: the next recipe from a winner's own values, of which nothing is trained again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from raycl.cli.main import main
from raycl.errors import InputError
from raycl.recipe.definition import define
from raycl.recipe.extend import extended
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.recipe.trained_again import too_light_to_continue
from raycl.results.named_state import named_state
from raycl.states.mark import read_mark
from raycl.states.reduced import keep_results
from raycl.storage import Storage
from raycl.train.checkpoint.reduce import keep_weights
from tests.helpers.finished_sweep import definition, finished_sweep
from tests.helpers.recipe_data import recipe_data
from tests.helpers.training_runs import make_corpus


def said(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """A storage in which the sweep `small` is finished."""
    return finished_sweep(tmp_path_factory.mktemp("storage"))


def new_file(folder: Path, **fields: Any) -> Path:
    path = folder / "new.yaml"
    path.write_text(yaml.safe_dump(fields))
    return path


def test_only_the_new_stage_is_left_to_train(
    capsys: pytest.CaptureFixture[str], storage: Storage, tmp_path: Path
) -> None:
    new = new_file(
        tmp_path,
        corpora={"third": {"text": "third.jsonl"}},
        stages=[{"name": "third", "steps": 7}],
        sweep={"third.replay": ["0%", "25%"]},
    )
    code, out, err = said(
        capsys, "extend", "--storage", storage.url, "--label", "replay 50%", "--with", new
    )
    assert (code, err) == (0, "")
    state = named_state(storage, "replay 50%").state
    assert out.startswith("# The next stage after the recipe 'replay 50%' of the sweep 'small'.")
    (tmp_path / "next.yaml").write_text(out)
    made = define(tmp_path / "next.yaml")
    assert made.recipe.name == "small-third"
    third = made.recipe.stages[-1]
    assert third.schedule == made.recipe.stages[-2].schedule  # re-warmed as the winner was
    assert "&" not in out  # a value in two places is written twice, so that one can be edited
    make_corpus(storage, "third")
    give_tokenizer(storage, "third")
    plan = plan_sweeps((made,), storage)
    assert sum(node.steps for node in plan.left) == 2 * 7  # the new stage of both recipes alone
    assert {node.parent for node in plan.left} == {state}
    assert yaml.safe_load(out)["stages"][1]["replay"] == "50%"


def give_tokenizer(storage: Storage, corpus: str) -> None:
    from raycl.data.manifest import fingerprinted, load_manifest, write_manifest

    tokenizer = load_manifest(storage, "corpora/new").tokenizer
    manifest = load_manifest(storage, f"corpora/{corpus}")
    write_manifest(storage, f"corpora/{corpus}", fingerprinted(manifest, tokenizer=tokenizer))


def test_a_baseline_or_a_state_has_no_next_stage(
    capsys: pytest.CaptureFixture[str], storage: Storage, tmp_path: Path
) -> None:
    state = named_state(storage, "replay 0%").state
    new = new_file(tmp_path, stages=[{"name": "third"}])
    code, _, err = said(capsys, "extend", "--storage", storage.url, "--label", state, "--with", new)
    assert code == 2
    assert "a state, of which no recipe is known" in err


def test_it_says_what_is_trained_again_where_the_winner_has_no_weights_any_more(
    capsys: pytest.CaptureFixture[str], storage: Storage, tmp_path: Path
) -> None:
    name = named_state(storage, "replay 50%").state
    new = new_file(tmp_path, stages=[{"name": "third"}])
    command = ("extend", "--storage", storage.url, "--label", "replay 50%", "--with", new)
    whole = said(capsys, *command)
    chain = plan_sweeps((definition(),), storage).sweeps[0].trainings["replay 50%"].chain
    assert too_light_to_continue(storage, chain, resets_optimizer=True) == ""
    copy = Storage(shutil.copytree(storage.url, tmp_path / "copy"))
    command = ("extend", "--storage", copy.url, *command[3:])
    for light, steps, begin in (
        (chain.name(12), 6, "the state after step 6"),
        (chain.name(6), 12, "the start"),
    ):
        keep_results(copy, read_mark(copy, light))
        code, out, err = said(capsys, *command)
        assert (code, out) == whole[:2]
        first = f"The weights of the state {name} are gone: the next stage first trains"
        assert " ".join(err.split()) == f"{first} {steps} steps again, from {begin}"


def test_a_stage_that_carries_the_optimizer_needs_it(storage: Storage, tmp_path: Path) -> None:
    copy = Storage(shutil.copytree(storage.url, tmp_path / "copy"))
    chain = plan_sweeps((definition(),), copy).sweeps[0].trainings["replay 0%"].chain
    for step in (6, 12):
        keep_weights(copy, read_mark(copy, chain.name(step)))
    assert too_light_to_continue(copy, chain, resets_optimizer=True) == ""
    assert too_light_to_continue(copy, chain, resets_optimizer=False) == (
        f"The moments of AdamW of the state {chain.name(12)} are gone: the next stage first trains "
        "6 steps again, from the state after step 6"
    )


def plain() -> dict[str, Any]:
    return recipe_data()


def problem(**new: Any) -> str:
    with pytest.raises(InputError) as error:
        extended(plain(), new, "new.yaml")
    return str(error.value)


def test_what_would_change_the_past_is_refused() -> None:
    third = [{"name": "third", "mixture": {"new": 1}}]
    assert "stages.new: the finished recipe has a stage" in problem(stages=[{"name": "new"}])
    assert "no new stage" in problem()
    assert "with other text" in problem(stages=third, corpora={"new": {"text": "other.jsonl"}})
    assert "name of the finished sweep" in problem(stages=third, name="small")
    assert "seed: it belongs to every stage" in problem(stages=third, seed=3)


def test_a_trunk_goes_on_at_its_rate() -> None:
    before = plain()
    infinite = {"kind": "infinite", "max_lr": 3e-3, "constant_lr": 1e-3, "min_lr": 1e-4}
    before["stages"][-1] |= {
        "schedule": {**infinite, "cooldown": "10 steps"},
        "anneal": {"length": "5 steps", "min_lr": 1e-4},
    }
    corpora = {name: {"text": f"{name}.jsonl"} for name in ("third", "fourth")}
    stages = [{"name": "third"}, {"name": "fourth", "replay": "0%"}]
    made = extended(before, {"corpora": corpora, "stages": stages}, "new.yaml")
    assert "anneal" not in made["stages"][1]
    for stage in made["stages"][2:]:
        assert (stage["schedule"], stage["optimizer"], stage["steps"]) == ("continue", "carry", 20)
    assert [stage["replay"] for stage in made["stages"][2:]] == ["25%", "0%"]


@pytest.mark.parametrize(
    "field", ["old.schedule.max_lr", "later.replay", "seed", "optimizer.beta2", "model.config.x"]
)
def test_a_sweep_over_finished_stages_is_refused(field: str) -> None:
    third = [{"name": "third", "mixture": {"new": 1}}]
    for sweep in ({field: [1, 2]}, [{"label": "mine", "third.replay": ["0%"]}, {field: [1]}]):
        said = problem(stages=third, sweep=sweep)
        assert f"sweep.{field}: it is not of a new stage" in said
        assert "Vary fields of third" in said


def test_another_precision_would_train_the_past_again() -> None:
    third = [{"name": "third", "mixture": {"new": 1}}]
    before = plain() | {"execution": {"precision": "float32", "save_every": 5}}
    wider = {"stages": third, "execution": {"precision": "float32", "keep": "weights"}}
    made = extended(before, wider, "new.yaml")["execution"]
    assert made == {"precision": "float32", "save_every": 5, "keep": "weights"}
    with pytest.raises(InputError, match=r"execution\.precision: the finished stages were trained"):
        extended(before, {**wider, "execution": {"precision": "bfloat16"}}, "new.yaml")


def test_a_new_stage_trains_what_the_last_one_trained() -> None:
    before = plain()
    before["stages"][-1]["trains"] = "embeddings"
    third = {"name": "third", "mixture": {"new": 1}}
    made = extended(before, {"stages": [third, {**third, "name": "f", "trains": "all"}]}, "new")
    assert [stage["trains"] for stage in made["stages"][2:]] == ["embeddings", "all"]


@pytest.mark.parametrize("name", [["a"], {}, None, 7])
def test_a_name_that_is_none_is_refused(name: Any) -> None:
    assert "a stage without a name" in problem(stages=[{"name": name}])


def test_a_field_of_the_wrong_kind_is_refused() -> None:
    third = [{"name": "third", "mixture": {"new": 1}}]
    for field in ("execution", "validation", "sweep", "baselines"):
        assert field in problem(stages=third, **{field: 7})
