"""A slice of the reproduction, for real: experiments at a smaller scale still, on real text."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from benchmarks.made_up_sweeps import write_state
from raycl.cluster.options import ClusterOptions
from raycl.errors import InputError
from raycl.recipe.sweep_plan import joint_recipe, plan_sweeps
from raycl.reproduction import run
from raycl.reproduction.experiments import (
    Experiment,
    load_experiments,
)
from raycl.storage import Storage
from tests.helpers.fakes import make_corpus
from tests.helpers.paths import ROOT

CONFIGS = ROOT / "configs/paper"
DOMAINS = ("commoncrawl", "c4", "github", "arxiv", "book", "wikipedia", "stackexchange")


def small_scale(folder: Path) -> str:
    """The paper's experiments with 14 steps where it has 132,366, on this repository's text."""
    for name, pattern in (("docs", "docs/*.md"), ("code", "raycl/recipe/*.py")):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for file in ROOT.glob(pattern):
            for part in range(6):  # held-out documents need some documents
                shutil.copy(file, folder / name / f"{file.stem}-{part}.txt")
                with (folder / name / f"{file.stem}-{part}.txt").open("a") as text:
                    text.write(f"\npart {part}\n")
    scale = {
        "steps": {"full": 132366, "here": 14},
        "learning_rate": 8,
        "models": {"gpt-neox-405m": "gpt-neox-tiny", "gpt-neox-9.6b": "gpt-neox-tiny"},
        "fields": {
            "tokenizer": {"train": {"vocabulary": 384, "sample_bytes": 100_000}},
            "sequence_length": 16,
            "global_batch": 16,
            "validation": {"every": None, "rows": 4},
            "execution": {"save_every": None},
        },
        "corpora": {
            name: {"text": f"{folder}/{name}/*.txt", "validation": "20%"}
            for name in ("docs", "code")
        },
        "bindings": {"pile": "docs", "german": "code", **dict.fromkeys(DOMAINS, "code")},
    }
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(scale), encoding="utf-8")
    return str(path)


def load(scale: str, *only: str, seeds: int = 1) -> list[Experiment]:
    return load_experiments(CONFIGS, scale, range(1, seeds + 1), only)


def test_experiments_share_the_stage_that_they_share(tmp_path: Path) -> None:
    experiments = load(small_scale(tmp_path), "e5", "e4-max-lr-weak", "e8", seeds=2)
    plan = plan_sweeps([experiment.definition for experiment in experiments], None)
    tree = plan.tree
    first = [node for node in tree.nodes if node.training.start == 0 and node.training.stop == 14]
    piles = [node for node in first if node.training.stage == "pile"]
    assert len(piles) == 2  # one a seed
    mine = plan.subtree(plan.sweeps[0])
    assert set(mine.recipes) == {v.label for v in experiments[0].definition.variants}
    assert {label for node in mine.nodes for label in node.recipes} == set(mine.recipes)


def test_names_that_are_no_experiment(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no recipe.*Known: e0-pile, e1-"):
        load(small_scale(tmp_path), "e99")


def test_experiments_in_one_storage_mean_the_same_corpora(tmp_path: Path) -> None:
    left, right = (
        [made.definition for made in load(small_scale(tmp_path / folder), name)]
        for folder, name in (("a", "e5"), ("b", "e6"))
    )
    assert set(joint_recipe(left).corpora) == {"docs", "code"}
    with pytest.raises(InputError, match=r"corpora\.docs: another recipe file defines it"):
        joint_recipe([*left, *right])


def test_experiments_that_are_trained_need_no_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever their states come from, each is described and the document is written."""
    monkeypatch.setattr("raycl.cluster.connect.cluster", lambda *_: pytest.fail("a cluster"))
    scale, storage = small_scale(tmp_path / "text"), Storage(tmp_path / "runs")
    for name in ("docs", "code"):
        make_corpus(storage, name)
    experiments = load(scale, "e5")
    plan = plan_sweeps([experiment.definition for experiment in experiments], storage)
    for node in plan.tree.nodes:
        write_state(node.training, storage)
    said: list[str] = []
    out = tmp_path / "docs/reproduction.md"
    assert run.reproduce(experiments, storage, ClusterOptions(), out, said.append) == {}
    assert said[0] == "Nothing to train: every state is in storage already."
    assert len(said) == 1 + len(experiments)
    assert f"| recipes | {len(plan.tree.recipes)} in {len(plan.tree.nodes)} nodes |" in (
        out.read_text(encoding="utf-8")
    )
    for planned in plan.sweeps:
        for file in ("recipe.yaml", "tree.json", "results.parquet"):
            assert storage.exists(f"sweeps/{planned.name}/{file}")


def reproduce(scale: str, folder: Path) -> str:
    """What `raycl reproduce` prints, in a process of its own: it starts a cluster of its own."""
    only = [word for name in ("e5", "e10", "e13-merge-weak") for word in ("--only", name)]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "raycl",
            "reproduce",
            "--configs",
            str(CONFIGS),
            "--scale",
            scale,
            "--storage",
            str(folder / "runs"),
            "--out",
            str(folder / "docs/reproduction.md"),
            "--seeds",
            "1",
            "--workers",
            "2",
            *only,
        ],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if not k.startswith("RAY_")},
        capture_output=True,
        text=True,
        timeout=560,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.ray
def test_a_slice_of_the_paper(tmp_path: Path) -> None:
    scale, out = small_scale(tmp_path / "text"), tmp_path / "docs/reproduction.md"
    reproduce(scale, tmp_path)
    text = out.read_text(encoding="utf-8")
    assert "undecided" in text  # one seed decides nothing
    assert "1 seed" in text
    figures = sorted((tmp_path / "docs/images/reproduction").glob("*.png"))
    assert figures
    assert all(figure.name in text for figure in figures)
    states = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs/states").rglob("*.json")}
    assert "Nothing to train" in reproduce(scale, tmp_path)
    assert out.read_text(encoding="utf-8") == text
    again = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs/states").rglob("*.json")}
    assert again == states
