"""lm-evaluation-harness on stored states; it is asked the same as raycl, and says the same."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from raycl.cli.main import main
from raycl.data.held_out import held_out_documents
from raycl.data.manifest import load_manifest
from raycl.data.tokenizer import read_tokenizer
from raycl.errors import InputError
from raycl.evaluation.document_loss import document_bits_per_byte, rolling_windows
from raycl.evaluation.harness import flat_metrics, score_state
from raycl.evaluation.local_tasks import TaskSizes, beginning, write_local_tasks
from raycl.evaluation.schemes import check_harness
from raycl.evaluation.store import TaskScores, read_task, read_tasks, write_task
from raycl.evaluation.task_requests import LISTS, requests
from raycl.results.table import results_table
from raycl.storage import Storage
from raycl.train.checkpoint.load import load_model
from raycl.train.checkpoint.stored_state import read_state
from tests.helpers.held_out_text import LENGTH, prepare_text, train_a_little
from tests.helpers.outcomes import replayed

INSTALLED = importlib.util.find_spec("lm_eval") is not None
harness = pytest.mark.skipif(not INSTALLED, reason="lm_eval (the extra `evaluation`) is missing")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Storage, str]:
    storage = prepare_text(tmp_path_factory.mktemp("text"))
    return storage, train_a_little(storage)


@pytest.fixture(scope="session")
def harness_tasks() -> Any:
    """The harness' own tasks. Reading their thousands of files takes many seconds: done once."""
    from lm_eval.tasks import TaskManager

    return TaskManager()


@harness
def test_bits_per_byte_are_raycls_own(trained: tuple[Storage, str], tmp_path: Path) -> None:
    storage, state = trained
    write_local_tasks(storage, ["prose"], tmp_path, ["bits-per-byte"], TaskSizes(documents=8))
    scores = score_state(storage, state, [str(tmp_path)])["bits_per_byte_prose"]
    tokenizer = read_tokenizer(storage, load_manifest(storage, "corpora/prose").tokenizer)
    texts = [beginning(text) for text in held_out_documents(storage, "prose")][:8]
    # Documents of many windows, and one that is shorter than a window, are among them.
    lengths = [len(tokenizer.encode(text)) for text in texts]
    assert max(lengths) > 4 * LENGTH
    model = load_model(storage, read_state(storage, state), LENGTH)
    own = document_bits_per_byte(model, texts, tokenizer, LENGTH)
    assert scores.metrics["bits_per_byte"] == pytest.approx(own, rel=1e-5)
    assert 1 < own < 8
    shorter = document_bits_per_byte(model, texts, tokenizer, LENGTH // 2)
    assert abs(shorter - own) > 1e-3  # other contexts would be noticed


@harness
@pytest.mark.parametrize("length", [1, 5, 12])
def test_windows_are_those_of_the_harness(length: int) -> None:
    from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

    for count in range(1, 40):
        tokens = list(range(100, 100 + count))
        theirs = map(make_disjoint_window, get_rolling_token_windows(tokens, 7, length, 1))
        expected = [(known + asked, len(asked)) for known, asked in theirs]
        assert list(rolling_windows(tokens, 7, length)) == expected


@pytest.mark.parametrize("length", [1, 5, 12])
def test_windows_predict_every_token_once(length: int) -> None:
    for count in range(1, 40):
        windows = list(rolling_windows(range(1, count + 1), 0, length))
        assert [t for row, targets in windows for t in row[-targets:]] == [*range(1, count + 1)]
        assert all(targets < len(row) <= length + 1 for row, targets in windows)


@harness
def test_scores_are_kept_and_shown(
    trained: tuple[Storage, str],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    storage, state = trained
    monkeypatch.chdir(tmp_path)  # where git finds no repository, and says so
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", state, "--storage", storage.url, "--tasks", "cloze", "--limit", "20"])
    assert not ended.value.code
    captured = capfd.readouterr()
    assert "fatal" not in captured.err
    assert "cloze_prose (20 questions)" in captured.out
    assert "cloze_prose: task 1 of 1" in captured.out
    assert "Running loglikelihood" not in captured.err
    scores = read_task(storage, state, "cloze_prose")
    assert scores is not None
    assert scores.main == "acc_norm"
    assert 0 <= scores.metrics["acc"] <= 1
    assert 0 < scores.errors["acc_norm"] < 0.2
    monkeypatch.setattr("raycl.evaluation.harness.export_hugging_face", None)
    assert score_state(storage, state, ["cloze"], limit=20)["cloze_prose"] == scores
    with pytest.raises(TypeError):
        score_state(storage, state, ["cloze"], limit=10)


@harness
@pytest.mark.slow
def test_tasks_that_are_not_there_are_named(
    trained: tuple[Storage, str],
    tmp_path: Path,
    harness_tasks: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    storage, state = trained
    asked: list[dict[str, object]] = []

    def manager(**given: object) -> Any:
        asked.append(given)
        return harness_tasks

    with monkeypatch.context() as patch:
        patch.setattr("lm_eval.tasks.TaskManager", manager)
        with pytest.raises(InputError, match=r"'hellaswagg'.*no such task.*hellaswag"):
            score_state(storage, state, ["hellaswagg"])
    # What it was asked for is what the fixture has: the harness' own tasks and no others.
    assert asked == [{"include_path": [], "include_defaults": True}]
    (tmp_path / "gone.yaml").write_text(
        f"task: gone\ndataset_path: json\ndataset_kwargs: {{data_files: {{test: {tmp_path}/x}}}}\n"
        "test_split: test\noutput_type: loglikelihood_rolling\ndoc_to_target: text\n"
        "doc_to_text: ''\nmetric_list: [{metric: bits_per_byte}]\n"
    )
    with pytest.raises(InputError, match="'gone': its data cannot be got"):
        score_state(storage, state, [str(tmp_path)])


@harness
@pytest.mark.parametrize("words", ["paper-english", "paper-german"])
@pytest.mark.slow
def test_the_papers_lists_name_tasks_of_the_harness(
    words: str, tmp_path: Path, harness_tasks: Any
) -> None:
    from lm_eval.tasks import TaskManager

    # The list works in the harness itself, too: `lm_eval --include_path raycl/evaluation/tasks`.
    lists = TaskManager(include_path=str(LISTS), include_defaults=False).all_tasks
    assert words in lists
    names = [request.name for request in requests([words], Storage(tmp_path), [], tmp_path)]
    assert set(names) <= {*harness_tasks.all_tasks, *lists}


@harness
@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_several_states_are_scored_on_ray(trained: tuple[Storage, str]) -> None:
    from raycl.cluster.options import ClusterOptions
    from raycl.evaluation.harness_ray import score_states

    storage, state = trained
    other = train_a_little(storage, steps=3)
    heard: list[str] = []
    scores = score_states(
        storage, [state, other], ["cloze"], None, 6, ClusterOptions(), heard.append
    )
    assert list(scores) == [state, other]
    assert all(found["cloze_prose"].limit == 6 for found in scores.values())
    assert len(heard) == 2
    with pytest.raises(InputError, match="no such task"):
        score_states(
            storage, [state, other], ["hellaswagg"], None, 6, ClusterOptions(), heard.append
        )


@pytest.mark.skipif(INSTALLED, reason="the harness is installed")
def test_without_the_harness_it_says_what_to_install() -> None:
    with pytest.raises(InputError, match=r"Run pip install '?lm_eval"):
        check_harness()


def test_metrics_by_plain_names() -> None:
    metrics, errors = flat_metrics(
        {
            "alias": "x",
            "acc,none": 0.5,
            "acc_stderr,none": 0.1,
            "exact_match,strict": 0.25,
            "exact_match_stderr,strict": "N/A",
            "sample_len": 4,
            "bits_per_byte,none": 2,
        }
    )
    assert metrics == {"acc": 0.5, "exact_match,strict": 0.25, "bits_per_byte": 2}
    assert errors == {"acc": 0.1}


def task_scores(
    task: str, shots: int | None, limit: int | None, metrics: dict[str, float]
) -> TaskScores:
    return TaskScores(
        task=task,
        shots=shots,
        limit=limit,
        harness="0.4.13",
        digest=None,
        metrics=metrics,
        errors={},
    )


def test_the_main_metric_becomes_a_column(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    scores = task_scores("arc_easy", 0, None, {"acc": 0.3, "acc_norm": 0.4})
    write_task(storage, "s", scores)
    write_task(storage, "s", task_scores("nq", 5, 9, {"exact_match,x": 0.1}))
    assert read_task(storage, "s", "arc_easy") == scores.model_copy(update={"state": "s"})
    found = read_tasks(storage, "s")
    assert found == {"arc_easy": 0.4, "nq (9 questions)": 0.1}
    table = results_table([replayed(tasks=found), replayed("other")])
    pd.testing.assert_series_equal(
        table["task/arc_easy"], pd.Series([0.4, math.nan], name="task/arc_easy")
    )
