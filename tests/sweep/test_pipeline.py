"""A sweep looks at its storage once: manifests, recipes and states are read and handed down."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks.made_up_sweeps import write_state
from raycl.cluster.capacity import Capacity, MachineKind
from raycl.cluster.options import ClusterOptions
from raycl.errors import InputError
from raycl.plan.cost import Plan
from raycl.plan.fit import usable
from raycl.plan.training import Training
from raycl.recipe import Resolver
from raycl.recipe.definition import Definition
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.reproduction.experiments import Experiment
from raycl.reproduction.run import gather_evidence, train_experiments
from raycl.states.tree_record import read_tree_record
from raycl.storage import Storage
from raycl.sweep.pipeline import sweep, train_sweeps
from tests.helpers.fakes import make_corpus
from tests.helpers.pipeline import Cluster
from tests.helpers.recipe_data import defined

RATES = {"new.schedule.max_lr": ["1e-3", "2e-3", "3e-3"]}


class Watched(Storage):
    """A local storage that counts which files are read, and how often the states are listed."""

    def __init__(self, url: Path) -> None:
        super().__init__(url)
        self.read: Counter[str] = Counter()
        self.listed: Counter[str] = Counter()

    def read_bytes(self, path: str) -> bytes:
        self.read[path] += 1
        return super().read_bytes(path)

    def list(self, path: str = "") -> list[str]:
        self.listed[path] += 1
        return super().list(path)

    def everything_below(self, path: str) -> Any:
        self.listed[path] += 1
        return super().everything_below(path)


@pytest.fixture
def storage(tmp_path: Path) -> Watched:
    """Corpora `old` and `new`, of which nothing has been read yet."""
    place = Watched(tmp_path / "runs")
    for name in ("old", "new"):
        make_corpus(place, name)
    place.read.clear()
    return place


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each recipe has been resolved."""
    plain, counts = Resolver.resolve, Counter[str]()

    def counted(self: Resolver, recipe: Any, where: str, *rest: Any) -> Training:
        counts[f"{where}, seed {recipe.seed}"] += 1
        return plain(self, recipe, where, *rest)

    monkeypatch.setattr(Resolver, "resolve", counted)
    return counts


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(monkeypatch)


def assert_looked_at_once(storage: Watched, resolved: Counter[str], listings: int) -> None:
    manifests = {path: n for path, n in storage.read.items() if path.endswith("manifest.json")}
    assert manifests == {f"corpora/{name}/manifest.json": 1 for name in ("old", "new")}
    assert set(resolved.values()) == {1}
    assert storage.listed["states"] == listings <= 2


def test_with_nothing_to_train(storage: Watched, resolved: Counter[str], ray: Cluster) -> None:
    definition = defined(sweep=RATES)
    for node in plan_sweeps((definition,), Storage(storage.url)).tree.nodes:
        write_state(node.training, storage)
    resolved.clear()
    told: list[str] = []
    plans: list[Plan] = []
    result = sweep(definition, storage, report=told.append, on_plan=plans.append)
    assert told == ["Nothing to train: every state is in storage already."]
    assert not ray.options
    assert plans[0].steps_left == 0
    assert list(result.table["status"]) == ["finished"] * 3
    assert len(resolved) == 3
    assert_looked_at_once(storage, resolved, listings=2)  # one of them for the files of the states


def test_with_training(storage: Watched, resolved: Counter[str], ray: Cluster) -> None:
    options = ClusterOptions(workers=3, gpus=True)
    told: list[str] = []
    result = sweep(defined(sweep=RATES), storage, options, told.append)
    assert told == ["Starting Ray …"]
    assert (ray.options, ray.existing) == ([options], [set()])
    assert list(result.table["status"]) == ["finished"] * 3
    assert len(resolved) == 3
    assert_looked_at_once(storage, resolved, listings=2)


def test_a_time_to_save_that_is_none_is_refused_before_a_cluster(
    storage: Watched, ray: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYCL_STOP_SECONDS", "soon")
    with pytest.raises(InputError, match="'soon' is no number of seconds"):
        sweep(defined(sweep=RATES), storage, report=lambda _: None)
    assert not ray.options


LARGE = {"model": {"preset": "gpt-neox-9.6b"}}


def test_gpus_without_room_are_refused_before_a_cluster(storage: Watched, ray: Cluster) -> None:
    options = ClusterOptions(gpus=True, accelerator="H100")
    with pytest.raises(InputError, match=r"memory of stage old.*This fits: workers: 8"):
        sweep(defined(**LARGE), storage, options, lambda _: None)
    assert not ray.options


def test_gpus_that_a_cluster_names_are_looked_at_before_anything_is_trained(
    storage: Watched, ray: Cluster
) -> None:
    options = ClusterOptions("auto", gpus=True)
    ray.capacity = Capacity((MachineKind({"CPU": 8, "GPU": 1, "accelerator_type:A100": 1}, 1),))
    with pytest.raises(InputError, match="memory of stage old"):
        sweep(defined(**LARGE), storage, options, lambda _: None)
    assert not ray.trees
    plans: list[Plan] = []
    sweep(defined(), storage, options, lambda _: None, plans.append)
    assert plans[-1].room == usable(80e9)


def test_what_another_sweep_has_trained_is_handed_down(storage: Watched, ray: Cluster) -> None:
    sweep(defined(), storage, report=lambda _: None)
    plans: list[Plan] = []
    sweep(defined(sweep=RATES), storage, report=lambda _: None, on_plan=plans.append)
    done = {node.name for node in plans[0].nodes if node.exists}
    assert done
    assert done <= ray.existing[1]
    assert plans[0].steps_left == 40  # two of three rates; the first stage and one rate are there


def test_failed_nodes_are_told_by_their_recipes(storage: Watched, ray: Cluster) -> None:
    ray.fails = {"new"}
    result = sweep(defined(sweep=RATES), storage, report=lambda _: None)
    assert set(result.failed.values()) == {"it broke"}
    assert all(name.startswith("new 20–40 (max_lr ") for name in result.failed)
    assert list(result.table["status"]) == ["failed"] * 3


def two_definitions() -> list[Definition]:
    return [defined(name=f"small-seed-{seed}", seed=seed, sweep=RATES) for seed in (1, 2)]


def test_several_sweeps_are_one_tree(
    storage: Watched, resolved: Counter[str], ray: Cluster
) -> None:
    """With equal labels in both; each keeps its own description."""
    trained = train_sweeps(two_definitions(), storage, report=lambda _: None)
    assert len(ray.options) == 1
    assert len(trained.plan.tree.recipes) == len(resolved) == 6
    assert trained.plan.is_trained
    assert_looked_at_once(storage, resolved, listings=2)
    for planned in trained.plan.sweeps:
        nodes = read_tree_record(storage, planned.name).nodes
        assert {label for node in nodes for label in node.recipes} == set(planned.trainings)
        assert [node.name for node in nodes] == [
            node.name for node in plan_sweeps((planned.definition,), storage).tree.nodes
        ]


def test_experiments_are_sweeps_like_any_other(
    storage: Watched, resolved: Counter[str], ray: Cluster
) -> None:
    experiments = [Experiment("small", n + 1, d) for n, d in enumerate(two_definitions())]
    trained = train_experiments(experiments, storage, ClusterOptions(), lambda _: None)
    assert storage.exists("reproduction/seconds.json")
    evidence = gather_evidence(experiments, trained.plan, storage, lambda _: None)
    assert_looked_at_once(storage, resolved, listings=2)
    for seed in (1, 2):
        outcomes = evidence.outcomes("small", seed)
        assert [outcome.status for outcome in outcomes] == ["finished"] * 3
        assert storage.exists(f"sweeps/small-seed-{seed}/results.csv")
    seconds = storage.read_json("reproduction/seconds.json")
    train_experiments(experiments, storage, ClusterOptions(), lambda _: None)
    assert len(ray.options) == 1
    assert storage.read_json("reproduction/seconds.json") == seconds
