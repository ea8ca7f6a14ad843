"""Tasks of the harness from local copies of their data sets; any use of a network is an error."""

from __future__ import annotations

import importlib.util
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from raycl.cli.main import main
from raycl.errors import InputError
from raycl.storage import Storage
from tests.helpers.held_out_text import prepare_text, train_a_little

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None,
    reason="lm_eval (the extra `evaluation`) is missing",
)

QUESTIONS = [
    {
        "id": f"q{number}",
        "question": f"Which thing is number {number}?",
        "choices": {"text": ["a dog", "a cat", "a tree"], "label": ["A", "B", "C"]},
        "answerKey": "ABC"[number % 3],
    }
    for number in range(6)
]
ENDINGS = [
    {
        "ind": number,
        "activity_label": "Cooking",
        "ctx_a": f"A cook takes {number} eggs.",
        "ctx_b": "then the cook",
        "endings": ["breaks them.", "reads.", "sleeps.", "flies."],
        "label": str(number % 4),
    }
    for number in range(4)
]
GOALS = [
    {"goal": "To open a door", "sol1": "turn the handle", "sol2": "eat it", "label": number % 2}
    for number in range(4)
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Storage, str]:
    storage = prepare_text(tmp_path_factory.mktemp("text"))
    return storage, train_a_little(storage, steps=2)


@pytest.fixture(autouse=True)
def few_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three folders of the harness' own tasks: to read all of them takes many seconds."""
    import lm_eval.tasks

    whole = lm_eval.tasks.TaskManager
    root = Path(lm_eval.tasks.__file__).parent
    some = [str(root / name) for name in ("arc", "hellaswag", "piqa", "openbookqa")]

    def manager(include_path: Any = None, include_defaults: bool = True) -> Any:
        own = some if include_defaults else []
        return whole(include_path=[*own, *(include_path or [])], include_defaults=False)

    monkeypatch.setattr(lm_eval.tasks, "TaskManager", manager)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("the network was asked")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def parquet(folder: Path, rows: list[dict[str, Any]], *splits: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for split in splits:
        pd.DataFrame(rows).to_parquet(folder / f"{split}-00000-of-00001.parquet")


def arc_with_readme(root: Path) -> None:
    """As the hub's repository: a folder for each configuration, which the README names."""
    folder = root / "allenai/ai2_arc"
    parquet(folder / "ARC-Easy", QUESTIONS, "train", "validation", "test")
    parquet(folder / "ARC-Challenge", QUESTIONS[:1], "train", "validation", "test")
    (folder / "README.md").write_text(
        "---\nconfigs:\n"
        + "".join(
            f"- config_name: {name}\n  data_files:\n"
            + "".join(
                f"  - {{split: {split}, path: {name}/{split}-*}}\n"
                for split in ("train", "validation", "test")
            )
            for name in ("ARC-Easy", "ARC-Challenge")
        )
        + "---\nText.\n"
    )
    (folder / ".git").mkdir()


def arc_without_readme(root: Path) -> None:
    parquet(root / "ai2_arc/ARC-Easy", QUESTIONS, "train", "validation", "test")


def arc_saved_to_disk(root: Path) -> None:
    import datasets

    splits = {
        name: datasets.Dataset.from_list(QUESTIONS) for name in ("train", "test", "validation")
    }
    datasets.DatasetDict(splits).save_to_disk(str(root / "ai2_arc/ARC-Easy"))


def arc_in_the_hubs_cache(root: Path) -> None:
    repository = root / "datasets--allenai--ai2_arc"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs/main").write_text("abc")
    parquet(repository / "snapshots/abc/ARC-Easy", QUESTIONS, "train", "validation", "test")


def evaluate(
    trained: tuple[Storage, str], capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str]:
    storage, state = trained
    tasks = [part for word in words[1:] for part in ("--tasks", word)]
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", state, "--storage", storage.url, "--data", words[0], *tasks])
    out = capsys.readouterr()
    return int(ended.value.code or 0), (out.out + out.err).replace("\n", " ")


@pytest.mark.parametrize(
    "write", [arc_with_readme, arc_without_readme, arc_saved_to_disk, arc_in_the_hubs_cache]
)
def test_copies_in_every_layout(
    write: Callable[[Path], None],
    trained: tuple[Storage, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from raycl.evaluation.harness import score_state

    write(tmp_path / "data")
    scores = score_state(*trained, ["arc_easy"], data=tmp_path / "data")["arc_easy"]
    assert scores.metrics["acc"] * len(QUESTIONS) == pytest.approx(
        round(scores.metrics["acc"] * len(QUESTIONS))
    )
    code, said = evaluate(trained, capsys, str(tmp_path / "data"), "arc_easy")
    assert code == 0
    assert "acc_norm" in said


def test_scores_are_used_again_while_the_copy_is_the_same(
    trained: tuple[Storage, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from raycl.evaluation.harness import score_state

    data = tmp_path / "data"
    parquet(data / "Rowan/hellaswag/data", ENDINGS, "train", "validation")
    (data / "baber/piqa").mkdir(parents=True)
    for split in ("train", "validation"):
        lines = "".join(json.dumps(goal) + "\n" for goal in GOALS)
        (data / f"baber/piqa/{split}.jsonl").write_text(lines)
    first = score_state(*trained, ["hellaswag", "piqa"], data=data)
    digests = {scores.digest for scores in first.values()}
    assert len(digests) == 2
    assert None not in digests
    with monkeypatch.context() as patch:
        patch.setattr("raycl.evaluation.harness.export_hugging_face", None)
        again = score_state(*trained, ["hellaswag", "piqa"], data=data)
        assert all(again[name].metrics == found.metrics for name, found in first.items())
        parquet(data / "Rowan/hellaswag/data", ENDINGS[:3], "train", "validation")
        assert score_state(*trained, ["piqa"], data=data)["piqa"] == again["piqa"]
        with pytest.raises(TypeError):  # it would be scored again
            score_state(*trained, ["hellaswag"], data=data)
    changed = score_state(*trained, ["hellaswag"], data=data)["hellaswag"]
    assert changed.digest != first["hellaswag"].digest


def test_what_is_missing_is_named_before_a_model_is_loaded(
    trained: tuple[Storage, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("raycl.evaluation.harness.export_hugging_face", None)
    monkeypatch.setattr("raycl.evaluation.losses.load_model", None)
    arc_without_readme(tmp_path)
    parquet(tmp_path / "allenai/openbookqa/other", QUESTIONS, "test")
    (tmp_path / "script/code").mkdir(parents=True)
    (tmp_path / "script/code/code.py").write_text("raise SystemExit('code was run')\n")
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/mine.yaml").write_text(
        "task: mine\ndataset_path: script/code\ntest_split: test\ndoc_to_text: ''\n"
        "doc_to_target: text\noutput_type: loglikelihood_rolling\n"
        "metric_list: [{metric: bits_per_byte}]\n"
    )
    for data, task, words in (
        (
            tmp_path,
            "piqa",
            ("no data set 'baber/piqa'", f"{tmp_path}/baber/piqa", f"{tmp_path}/piqa"),
        ),
        (tmp_path, "arc_challenge", ("no configuration 'ARC-Challenge'",)),
        (tmp_path, "openbookqa", ("no configuration 'main'",)),
        (tmp_path, str(tmp_path / "tasks"), ("script/code cannot be read",)),
        (tmp_path, "ai2_arc", ("a tag of tasks", "arc_challenge, arc_easy")),
        (tmp_path, "arc_eazy", ("no such task", "arc_easy")),
        (tmp_path / "none", "piqa", ("no such folder",)),
    ):
        code, said = evaluate(trained, capsys, str(data), "arc_easy", task)
        assert code == 2, said
        assert all(word in said for word in words), said
    code, said = evaluate(trained, capsys, str(tmp_path))
    assert code == 2
    assert "Give --tasks too" in said


def test_files_of_a_task_have_to_be_on_this_machine(tmp_path: Path) -> None:
    from raycl.evaluation.local_data import LocalData

    data = LocalData(tmp_path, tmp_path / "cache")
    with pytest.raises(
        InputError, match=r"json file https://x\.y/z\.jsonl: it is not on this mach"
    ):
        data.load("json", data_files={"test": "https://x.y/z.jsonl"})
