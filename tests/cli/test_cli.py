"""The command line: exit codes, output and start-up time. No command here starts Ray."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from raycl.cli.main import app, main
from raycl.recipe.definition import corpus_facts, define, trainings
from raycl.storage import Storage
from tests.helpers.documented_recipes import documented_recipes
from tests.helpers.fakes import make_corpus
from tests.helpers.paths import ROOT
from tests.helpers.recipe_data import changed, recipe_data, write_recipe

QUICKSTART = ROOT / "configs" / "quickstart.yaml"
COMMANDS = sorted(c.name or c.callback.__name__ for c in app.registered_commands if c.callback)


def run(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_of_every_command(capsys: pytest.CaptureFixture[str], command: str | None) -> None:
    code, out, _ = run(capsys, *([command] if command else []), "--help")
    assert code == 0
    assert "Usage" in out
    assert not re.search(r"/(work|home|tmp|root|usr)/", out)  # nothing of one machine


def test_plan_as_table_and_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, recipe_data(sweep={"new.replay": ["0%", "25%"]}))
    code, out, _ = run(capsys, "plan", recipe)
    assert code == 0
    assert "60 steps trained" in out
    code, out, _ = run(capsys, "plan", recipe, "--json", "--storage", tmp_path)
    made = json.loads(out)
    assert code == 0
    assert (made["steps"], made["steps_left"], made["steps_alone"]) == (60, 60, 80)
    assert sum(node["steps"] for node in made["nodes"]) == 60


def test_steps_as_csv_are_what_training_uses(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    recipe = write_recipe(tmp_path, recipe_data())
    arguments = ["--label", "small", "--stage", "new", "--csv", "--set", "new.replay=5%"]
    code, out, _ = run(capsys, "steps", recipe, *arguments)
    assert code == 0
    lines = list(csv.DictReader(io.StringIO(out)))
    definition = define(recipe, ["new.replay=5%"])
    chain = trainings(definition, corpus_facts(definition, None))["small"].chain
    assert [float(line["learning_rate"]) for line in lines] == list(chain.learning_rates(20, 40))
    for number, line in enumerate(lines):
        for corpus in ("old", "new"):
            own = [r for r in chain.rows(20 + number) if r.corpus == corpus]
            assert int(line[f"{corpus} rows"]) == sum(r.count for r in own)
            assert line[f"{corpus} first"] == " ".join(str(r.first) for r in own)
    assert sum(int(line["old rows"]) for line in lines) == 8  # 5 % of 160


def test_steps_as_table(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(
        capsys, "steps", QUICKSTART, "--label", "replay 5%", "--stage", "german", "--to", 3
    )
    assert code == 0
    assert len(out.splitlines()) == 4


@pytest.fixture
def repeating(tmp_path: Path) -> list[Any]:
    """A recipe that reads 160 rows of a corpus of 100, and the storage of its corpora."""
    storage = Storage(tmp_path)
    for name, rows in (("old", 100), ("new", 400)):
        make_corpus(storage, name, rows)
    model = {"model_type": "gpt_neox", "hidden_size": 8, "num_hidden_layers": 1}
    config = {**model, "num_attention_heads": 1, "intermediate_size": 8}
    data = changed(0, at_end="repeat") | {"model": {"config": config}}
    return [write_recipe(tmp_path, data), "--storage", tmp_path]


def test_plan_tells_what_is_read_more_than_once_and_refuses_too_much(
    capsys: pytest.CaptureFixture[str], repeating: list[Any]
) -> None:
    _, out, _ = run(capsys, "plan", *repeating)
    assert "Read again: old 1.6 times by the end of stage old." in out
    _, out, _ = run(capsys, "plan", *repeating, "--json")
    (told,) = json.loads(out)["read_again"]
    assert (told["stage"], told["corpus"], told["most"]) == ("old", "old", 1.6)
    code, _, err = run(capsys, "plan", *repeating, "--set", "old.max_epochs=1.5")
    assert code == 2
    assert "enough for 18 steps" in err


def test_steps_of_later_epochs_are_cut_in_a_table_and_whole_in_csv(
    capsys: pytest.CaptureFixture[str], repeating: list[Any]
) -> None:
    asked = [*repeating, "--label", "small", "--stage", "old", "--from", "14", "--to", "15"]
    _, table, _ = run(capsys, "steps", *asked)
    assert re.search(r"more\s*$", table)
    _, whole, _ = run(capsys, "steps", *asked, "--csv")
    (line,) = csv.DictReader(io.StringIO(whole))
    assert sum(int(run.partition("+")[2]) for run in line["old first"].split()) == 8


def test_the_schema_accepts_recipes_and_refuses_slips(capsys: pytest.CaptureFixture[str]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    code, out, _ = run(capsys, "schema")
    assert code == 0
    schema = json.loads(out)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(yaml.safe_load(QUICKSTART.read_text()))
    for example in documented_recipes():
        validator.validate(example)
    validator.validate(recipe_data(sweep={"new.replay": ["1%"]}))
    assert not validator.is_valid(recipe_data(sed=1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan", "{tmp}/missing.yaml"], "no such file"),
        (["plan", "{recipe}", "--set", "sed=1"], "Did you mean 'seed'?"),
        (["plan", "{recipe}", "--set", "stages=[[/red]]"], "stages"),
        (["plan", "{recipe}", "--storage", "nosuch://bucket"], "s3:// or gs:// URL"),
        (["steps", "{recipe}", "--label", "x", "--stage", "new"], "Labels here: small"),
        (["steps", "{recipe}", "--label", "small", "--stage", "nw"], "Stages: old, new"),
        (["status", "--storage", "{tmp}"], "no sweep here. Run `raycl sweep` first"),
        (["report", "--storage", "{tmp}"], "no sweep here. Run `raycl sweep` first"),
        (["sweep", "{recipe}", "--storage", "{recipe}/below"], "a file, not a folder"),
        (["prepare", "{recipe}", "--storage", "{recipe}/below"], "a file, not a folder"),
        (["fetch", "klingon", "--to", "{tmp}"], "klingon"),
        (["plan"], "Missing argument"),
        (["plan", "{recipe}", "--jsn"], "No such option"),
        (["nosuch"], "No such command"),
    ],
)
def test_bad_input_exits_with_2_and_says_why(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], message: str
) -> None:
    recipe = write_recipe(tmp_path, recipe_data())
    code, _, err = run(capsys, *(a.format(tmp=tmp_path, recipe=recipe) for a in arguments))
    assert code == 2
    assert message in err
    assert "Traceback" not in err


def test_errors_show_brackets_as_they_are(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    recipe = write_recipe(tmp_path, recipe_data(seed="[red]"))
    code, _, err = run(capsys, "plan", recipe)
    assert code == 2
    assert "seed is '[red]'" in err


def test_plan_is_quick_and_imports_neither_torch_nor_ray() -> None:
    program = (
        "import sys\nfrom raycl.cli.main import main\n"
        "try:\n    main(['plan', sys.argv[1]])\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "heavy = {'torch', 'ray', 'transformers', 'matplotlib', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    # CPU time, the best of three: a busy machine makes the process wait, and no slower.
    seconds: list[float] = []
    while len(seconds) < 3 and min(seconds, default=9.0) >= 2:
        seconds.append(cpu_seconds(program, str(QUICKSTART)))
    assert min(seconds) < 2


def cpu_seconds(program: str, *arguments: str) -> float:
    """CPU time of a Python process that runs this, its start included.

    It keeps compiled modules, as an installed raycl has them.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        env={k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime


def test_what_a_gpu_cannot_hold_is_refused_with_what_fits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path, recipe_data(model={"preset": "gpt-neox-9.6b"}))
    code, _, err = run(capsys, "plan", recipe, "--gpu", "H100")
    assert code == 2
    assert "memory of stage old: each of 1 workers needs" in err
    found = re.search(r"workers: (\d+), execution.layout: .*micro_batch: (\d+)", err)
    assert found is not None
    assert int(found[1]) > 1
    code, out, _ = run(capsys, "plan", recipe, "--memory-per-gpu", "256GB")
    assert code == 0
    assert "moments" in out
