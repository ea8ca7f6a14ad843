"""Scores of a search's objective: when they are measured, and what waits for them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from raycl.errors import InputError
from raycl.evaluation.store import TaskScores, write_task
from raycl.evaluation.task_requests import TaskRequest, requests
from raycl.evaluation.wanted_tasks import WantedTasks
from raycl.recipe.definition import Definition
from raycl.storage import Storage
from raycl.sweep.pipeline import sweep
from raycl.sweep.scoring import Scores
from tests.helpers.growing_sweeps import FIELD, SEARCH, GrowingCluster, ListedProposals, rates
from tests.helpers.pipeline import prepared_storage
from tests.helpers.recipe_data import defined

TASK = "cloze_new"
RATES = [3e-3, 1e-3, 9e-3, 2e-3]


class Measures:
    """Stands in for the harness: a score is there when it was asked for `delay` times."""

    def __init__(self, storage: Storage, delay: int = 2, fails: bool = False) -> None:
        self._storage, self._delay, self._fails = storage, delay, fails
        self._pending: dict[str, int] = {}
        self.started: list[str] = []
        self.most_at_once = 0

    def start(self, state: str) -> None:
        self.started.append(state)
        self._pending[state] = self._delay
        self.most_at_once = max(self.most_at_once, len(self._pending))

    def ended(self) -> dict[str, str]:
        self._pending = {state: left - 1 for state, left in self._pending.items()}
        done = [state for state, left in self._pending.items() if left <= 0]
        for state in done:
            del self._pending[state]
            if not self._fails:
                write_task(self._storage, state, scored(len(self.started)))
        return dict.fromkeys(done, "its data is gone" if self._fails else "")

    def cancel(self) -> None:
        self._pending.clear()


class Never:
    """Stands in for the harness, and never comes to an end."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def start(self, state: str) -> None:
        self.started.append(state)

    def ended(self) -> dict[str, str]:
        return {}

    def cancel(self) -> None:
        self.started.clear()


def scored(value: float) -> TaskScores:
    fields: dict[str, Any] = {"shots": None, "limit": None, "harness": "1", "digest": None}
    return TaskScores(task=TASK, metrics={"acc": value}, errors={}, **fields)


class Lacks:
    """Says that a state has no score as long as storage has none."""

    def __init__(self, _: WantedTasks, storage: Storage) -> None:
        self._storage = storage

    def lack(self, state: str) -> bool:
        return not self._storage.exists(f"evaluations/{state}/tasks/{TASK}.json")


class Told(ListedProposals):
    """Proposes given recipes, and remembers how many were told before each."""

    ends_elsewhere: tuple[str, ...] = ()

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.known: list[int] = []

    def propose(self) -> Any:
        self.known.append(len(self.told))
        return super().propose()


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return prepared_storage(tmp_path / "runs")


@pytest.fixture
def studies(monkeypatch: pytest.MonkeyPatch) -> list[Told]:
    made: list[Told] = []

    def make(definition: Definition, storage: Storage, *_: object) -> Told:
        made.append(Told(definition, storage, rates(RATES)))
        return made[-1]

    monkeypatch.setattr("raycl.sweep.search.Study", make)
    return made


def measuring(monkeypatch: pytest.MonkeyPatch, measures: Measures) -> None:
    monkeypatch.setattr("raycl.evaluation.harness_ray.StateScorer", lambda *_: measures)
    monkeypatch.setattr("raycl.sweep.search.StoredTasks", Lacks)


def searched(**search: Any) -> Definition:
    found = {**SEARCH, "trials": len(RATES), "objective": {"maximize": f"task/{TASK}"}, **search}
    return defined(sweep={FIELD: {"log": ["1e-4", "1e-2"]}}, search=found)


def silent(_: str) -> None:
    pass


def test_each_recipe_is_told_with_its_score_before_the_next(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, studies: list[Told]
) -> None:
    """On one worker's place there is either a training or a score."""
    cluster, measures = GrowingCluster(monkeypatch, slots=1), Measures(storage)
    measuring(monkeypatch, measures)
    result = sweep(searched(), storage, report=silent)
    assert list(result.table[f"task/{TASK}"]) == [1, 2, 3, 4]
    assert [studies[-1].told[n].tasks[TASK] for n in range(4)] == [1, 2, 3, 4]
    assert studies[-1].known == [1, 2, 3, 4]  # the first proposal was made for the plan
    assert measures.most_at_once == 1
    assert len(cluster.trained) == 5
    sweep(searched(), storage, report=silent)
    assert len(measures.started) == 4  # nothing is scored twice


def test_scores_that_storage_lacks_come_before_any_proposal(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, studies: list[Told]
) -> None:
    cluster, measures = GrowingCluster(monkeypatch), Measures(storage, delay=5)
    with monkeypatch.context() as earlier:
        earlier.setattr("raycl.sweep.search._wanted", lambda _: None)
        earlier.setattr("tests.sweep.test_scoring.RATES", RATES[:2])
        sweep(searched(), storage, report=silent)  # as an earlier version left it
    assert len(cluster.trained) == 3
    measuring(monkeypatch, measures)
    sweep(searched(), storage, report=silent)
    assert len(measures.started) == 4
    assert studies[-1].known[0] == 2  # both scores are known before the third proposal
    assert measures.most_at_once == 2


def test_a_score_that_fails_is_reported_and_the_search_goes_on(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, studies: list[Told]
) -> None:
    GrowingCluster(monkeypatch)
    measuring(monkeypatch, Measures(storage, fails=True))
    told: list[str] = []
    result = sweep(searched(), storage, report=told.append)
    assert list(result.table["status"]) == ["finished"] * 4
    assert set(result.failed.values()) == {"its data is gone"}
    assert sorted(studies[-1].told) == [0, 1, 2, 3]
    assert sum("its data is gone" in sentence for sentence in told) == 4


def test_what_somebody_else_has_scored_meanwhile_is_not_scored_again() -> None:
    lacking = {"a", "b"}
    scores = Scores(lacking.__contains__, silent)
    assert not scores.has("a")
    assert not scores.has("b")
    scorer = Never()
    scores.measure_with(scorer)
    lacking.remove("a")
    assert scores.go_on(2) == {"a"}
    assert scorer.started == ["b"]
    assert scores.has("a")


def test_what_was_under_way_waits_again() -> None:
    scores = Scores(lambda _: True, silent)
    assert not scores.has("a")
    scores.measure_with(Never())
    assert scores.go_on(1) == frozenset()
    assert scores.under_way == 1
    scores.close()
    assert scores.under_way == 0
    assert scores.waiting == {"a"}


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"tasks": {"lists": ["no-such-folder"]}}, "neither a folder nor a list of tasks"),
        ({"tasks": {"data": "no-such-folder"}}, "no such folder"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_proposed(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, search: dict[str, Any], message: str
) -> None:
    GrowingCluster(monkeypatch)
    with pytest.raises(InputError, match=message) as raised:
        sweep(searched(**search), storage, report=silent)
    assert "search.tasks" in raised.value.where
    assert not storage.list("sweeps")


def test_without_the_harness_nothing_is_proposed(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr("raycl.evaluation.schemes.version", missing)
    with pytest.raises(InputError, match=r"is not installed. Run pip install '?lm_eval") as raised:
        sweep(searched(), storage, report=silent)
    assert raised.value.where.endswith(f"search.objective 'task/{TASK}'")
    assert not storage.list("sweeps")


@pytest.mark.parametrize("error", [OSError("no network"), ValueError("no such split")])
def test_data_that_cannot_be_got_is_said_before_anything_is_proposed(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    class Manager:
        def load(self, _: list[str]) -> Any:
            raise error

    monkeypatch.setattr("raycl.evaluation.wanted_tasks.check_harness", lambda _: "1")
    monkeypatch.setattr("raycl.evaluation.wanted_tasks.task_manager", lambda _: Manager())
    with pytest.raises(InputError, match=f"{error}.*search.tasks.data") as raised:
        sweep(searched(objective={"maximize": "task/arc_easy"}), storage, report=silent)
    assert raised.value.where.endswith("search.objective 'task/arc_easy'")
    assert not storage.list("sweeps")


def test_a_task_that_the_harness_has_not_is_said_before_anything_is_proposed(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def manager(asked: list[TaskRequest]) -> Any:
        raise InputError(f"--tasks {asked[0].name!r}", "the harness has no such task", "arc_easy")

    monkeypatch.setattr("raycl.evaluation.wanted_tasks.check_harness", lambda _: "1")
    monkeypatch.setattr("raycl.evaluation.wanted_tasks.task_manager", manager)
    with pytest.raises(InputError, match=r"no such task\. arc_easy") as raised:
        sweep(searched(objective={"maximize": "task/arc_esy"}), storage, report=silent)
    assert raised.value.where.endswith("search.objective 'task/arc_esy'")


def test_a_task_made_of_a_corpus_depends_on_this_corpus_alone(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def texts(_: Storage, corpus: str) -> list[str]:
        return [f"A document of {corpus}."]

    monkeypatch.setattr("raycl.evaluation.local_tasks.held_out_documents", texts)
    both = requests(["bits-per-byte"], storage, ["old", "new"], tmp_path / "both")
    (alone,) = requests(["bits-per-byte"], storage, ["new"], tmp_path / "alone")
    assert [request.name for request in both] == ["bits_per_byte_old", "bits_per_byte_new"]
    assert both[1].digest == alone.digest != both[0].digest


def test_tune_keeps_no_idle_process_while_a_state_waits_to_be_scored() -> None:
    """On Tune's own cache: the process of a trial that has ended would hold the place."""
    from ray.tune.utils.object_cache import _ObjectCache

    from raycl.sweep.tune_scheduler import LiveTrials

    cache: Any = _ObjectCache(may_keep_one=True)
    controller: Any = SimpleNamespace(
        get_live_trials=list, _tune_controller=SimpleNamespace(_actor_cache=cache)
    )
    waits: list[str] = []
    scheduler: Any = LiveTrials(lambda: bool(waits))
    cache.cache_object("one CPU", "idle")
    scheduler.choose_trial_to_run(controller)
    assert list(cache.flush_cached_objects()) == []
    waits.append("a state")
    scheduler.choose_trial_to_run(controller)
    assert list(cache.flush_cached_objects()) == ["idle"]
    waits.clear()
    scheduler.choose_trial_to_run(controller)
    cache.cache_object("one CPU", "next")
    assert list(cache.flush_cached_objects()) == []
