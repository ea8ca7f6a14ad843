"""Sweeps from a pretrained model, from plan to report, with a stand-in for Ray and the driver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raycl.cli.main import main
from raycl.cluster.options import ClusterOptions
from raycl.errors import InputError
from raycl.plan.training import Training
from raycl.recipe.definition import define
from raycl.storage import Storage
from raycl.sweep.pipeline import sweep
from raycl.sweep.results import SweepResult
from tests.helpers.checkpoints import CONFIG, small_tensors, write_checkpoint
from tests.helpers.pipeline import Cluster, prepared_storage
from tests.helpers.recipe_data import recipe_data, write_recipe

MODEL = {**CONFIG, "vocab_size": 60_000}
NOT_COMPARED = "no tokenizer came with it"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe and its checkpoint, in which commands run."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "project"
    write_checkpoint(folder / "base", config=MODEL)
    write_recipe(folder, recipe_data(model={"pretrained": "./base"}))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return prepared_storage(tmp_path / "storage")


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(monkeypatch)


def run(storage: Storage, *overrides: str, gpus: bool = False) -> tuple[SweepResult, list[str]]:
    """The result, and what was told beside that this model came without a tokenizer, told once."""
    told: list[str] = []
    options = ClusterOptions(gpus=gpus)
    result = sweep(define(Path("recipe.yaml"), overrides), storage, options, told.append)
    others = [sentence for sentence in told if NOT_COMPARED not in sentence]
    assert len(told) == len(others) + 1
    return result, others


def trained(ray: Cluster) -> list[Training]:
    return [node.training for tree in ray.trees for node in tree.nodes]


def test_workers_get_the_identifier_and_the_storage_has_the_model(
    storage: Storage, ray: Cluster
) -> None:
    _, told = run(storage)
    (identifier,) = [name for name in storage.list("starts") if name != "references"]
    assert told == [f"model ./base: kept in the storage as {identifier}", "Starting Ray …"]
    for training in trained(ray):
        assert training.model.pretrained == identifier
        assert training.model.config["hidden_size"] == CONFIG["hidden_size"]
        assert "attention_dropout" not in training.model.config


def test_other_weights_in_the_same_folder_are_trained(storage: Storage, ray: Cluster) -> None:
    run(storage)
    assert run(storage)[1] == ["Nothing to train: every state is in storage already."]
    write_checkpoint(Path("base"), small_tensors(1, MODEL["vocab_size"]), MODEL)
    _, told = run(storage)
    assert told[-1] == "Starting Ray …"
    first, second = ({node.name for node in tree.nodes} for tree in ray.trees)
    assert len(first) == len(second) == 2
    assert not first & second


def test_the_same_model_elsewhere_is_the_same(
    storage: Storage, ray: Cluster, tmp_path: Path
) -> None:
    run(storage)
    write_checkpoint(tmp_path / "copy", config=MODEL, shards=2)
    for place in ("../copy", str(tmp_path / "copy"), f"{tmp_path}/project/../copy/"):
        _, told = run(storage, f"model.pretrained={place}")
        assert told == ["Nothing to train: every state is in storage already."]
    assert len(ray.trees) == 1


def test_when_the_folder_is_gone_the_sweep_goes_on(storage: Storage, ray: Cluster) -> None:
    run(storage)
    Path("base").rename("moved")
    _, told = run(storage, "new.steps=30")
    assert "is gone; going on from the copy in the storage" in told[0]
    assert told[1:] == ["Starting Ray …"]
    assert {t.model.pretrained for t in trained(ray)} == {
        name for name in storage.list("starts") if name != "references"
    }


def test_a_file_that_the_storage_lacks_is_copied_again_or_named(
    storage: Storage, ray: Cluster
) -> None:
    run(storage)
    identifier = ray.trees[0].nodes[0].training.model.pretrained
    storage.remove(f"starts/{identifier}/model.safetensors")
    assert "kept in the storage" in run(storage, "new.steps=30")[1][0]
    storage.remove(f"starts/{identifier}/model.safetensors")
    Path("base").rename("moved")
    with pytest.raises(InputError, match=r"model\.safetensors: the file is missing"):
        run(storage, "new.steps=31")
    assert len(ray.options) == 2
    assert run(storage)[1][-1].startswith("Nothing to train")


def test_in_another_storage_it_is_refused_before_ray(ray: Cluster, tmp_path: Path) -> None:
    Path("base").rename("moved")
    with pytest.raises(InputError, match="there is no folder"):
        run(prepared_storage(tmp_path / "other"))
    assert not ray.options


def test_results_are_written_from_any_folder_and_whatever_lies_at_the_path(
    storage: Storage,
    ray: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(storage, gpus=True)
    assert {t.execution.precision for t in trained(ray)} == {"bfloat16"}
    before = storage.read_bytes("sweeps/small/results.csv")
    write_checkpoint(Path("base"), small_tensors(1, MODEL["vocab_size"]), MODEL)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(SystemExit):
        main(["report", "--storage", storage.url])
    assert "finished" in storage.read_bytes("sweeps/small/results.csv").decode()
    assert storage.read_bytes("sweeps/small/results.csv") == before
    capsys.readouterr()


def test_the_device_is_in_the_names_where_precision_is_auto(storage: Storage, ray: Cluster) -> None:
    run(storage)
    run(storage, gpus=True)
    on_cpu, on_gpu = ({node.name for node in tree.nodes} for tree in ray.trees)
    assert not on_cpu & on_gpu
    assert run(storage, "execution.precision=bfloat16")[1][-1].startswith("Nothing to train")


def test_plan_says_the_precision(storage: Storage, capsys: pytest.CaptureFixture[str]) -> None:
    for options, said in (([], "float32"), (["--gpus"], "bfloat16")):
        with pytest.raises(SystemExit):
            main(["plan", "recipe.yaml", "--storage", storage.url, *options])
        assert f"Computed in {said}." in " ".join(capsys.readouterr().out.split())


def test_scratch_begins_with_random_weights(storage: Storage, ray: Cluster) -> None:
    run(storage, "baselines=[scratch]")
    models = {label: node.training.model for node in ray.trees[0].nodes for label in node.recipes}
    assert models["small"].pretrained is not None
    assert models["new from scratch"].pretrained is None
    assert models["new from scratch"].config == models["small"].config


@pytest.mark.usefixtures("ray")
def test_states_of_an_earlier_version_are_told_once(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    for step in (4, 8):
        storage.write_json(f"states/{step:09d}-{'a' * 32}/state.json", {})
    storage.write_json(f"states/{0:09d}-{'b' * 32}/state.json", {})  # a merge
    _, told = run(storage)
    assert [line for line in told if "earlier version" in line] == [told[0]]
    assert told[0].startswith("2 states in this storage were named by an earlier version of raycl")
    with pytest.raises(SystemExit):
        main(["plan", "recipe.yaml", "--storage", storage.url])
    assert capsys.readouterr().err.count("earlier version") == 1


@pytest.mark.usefixtures("ray")
def test_results_of_an_earlier_version_stay(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    run(storage)
    before = storage.read_bytes("sweeps/small/results.csv")
    node: dict[str, Any] = {
        "name": f"{4:09d}-{'a' * 32}",
        "parent": None,
        "stage": "old",
        "steps": 4,
        "first_step": 0,
        "recipes": ["small"],
    }
    storage.write_json("sweeps/small/tree.json", [node])
    with pytest.raises(SystemExit) as end:
        main(["report", "--storage", storage.url])
    assert end.value.code == 2
    assert "results stay as they are" in " ".join(capsys.readouterr().err.split())
    assert storage.read_bytes("sweeps/small/results.csv") == before


def test_a_model_is_put_into_a_storage_by_hand(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["models", "add", "./base", "--storage", storage.url])
    identifier = capsys.readouterr().out.strip()
    assert storage.exists(f"starts/{identifier}/model.safetensors")
    Path("base").rename("moved")
    with pytest.raises(SystemExit) as end:
        main(
            [
                "plan",
                "recipe.yaml",
                f"--storage={storage.url}",
                f"--set=model.pretrained={identifier}",
            ]
        )
    assert end.value.code == 0


def test_code_that_the_configuration_names_is_not_run_and_this_is_said(
    storage: Storage, ray: Cluster
) -> None:
    write_checkpoint(Path("base"), config={**MODEL, "auto_map": {"AutoModel": "mine.Model"}})
    _, told = run(storage)
    assert told[0].endswith("config.json names is not run; it is trained as transformers' llama")
    assert len(ray.trees) == 1


@pytest.mark.parametrize(
    ("overrides", "gpus", "problem"),
    [
        ((), False, "flash: it needs GPUs"),
        (("execution.precision=float32",), True, "flash: it cannot compute in float32"),
    ],
)
def test_flash_attention_that_workers_cannot_compute(
    overrides: tuple[str, ...], gpus: bool, problem: str, storage: Storage, ray: Cluster
) -> None:
    with pytest.raises(InputError, match=problem):
        run(storage, "execution.attention=flash", *overrides, gpus=gpus)
    assert not ray.options
