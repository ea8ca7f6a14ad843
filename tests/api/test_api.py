"""The public face: light to import, typed, and each of its answers is that of the command."""

from __future__ import annotations

import dataclasses
import inspect
import json
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

import raycl
import raycl.api
import raycl.plan.tree
import raycl.sweep.pipeline
from raycl.api import Model, Plan, Runs
from raycl.errors import InputError
from raycl.plan.execution import Execution
from raycl.results.named_state import named_state
from raycl.storage import Storage, layout
from raycl.sweep.results import SweepResult
from tests.helpers.finished_sweep import NAME, RECIPE, finished_sweep
from tests.helpers.paths import ROOT
from tests.helpers.recipe_data import recipe_data

PLANNED = recipe_data(tokenizer={"train": {"vocabulary": 300}}, sweep={"new.replay": ["0%", "25%"]})


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """A storage in which the sweep `small` is finished."""
    return finished_sweep(tmp_path_factory.mktemp("storage"))


@pytest.fixture(scope="module")
def runs(storage: Storage) -> Runs:
    return raycl.load(storage.url)


def test_the_import_is_light() -> None:
    heavy = "{'numpy', 'pandas', 'ray', 'torch', 'transformers', 'pydantic'}"
    code = f"import sys, raycl; assert not {heavy} & set(sys.modules), sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(raycl.__file__).parents[1])


def test_everything_public_is_there_and_documented() -> None:
    assert set(raycl.__all__) <= set(dir(raycl))
    assert all(getattr(raycl, name).__doc__ for name in raycl.__all__)
    with pytest.raises(AttributeError, match="no attribute 'sweeps'"):
        _ = raycl.sweeps  # type: ignore[attr-defined]


PAGE = (ROOT / "docs" / "python.md").read_text()


@pytest.mark.parametrize("kind", [Plan, Runs, Model])
def test_the_page_names_all_that_is_public(kind: type) -> None:
    public = {name for name in dir(kind) if not name.startswith("_")}
    public |= {field.name for field in dataclasses.fields(kind) if not field.name.startswith("_")}
    assert {name for name in public if not re.search(rf"`{name}[`(]", PAGE)} == set()


@pytest.mark.parametrize("name", ["plan", "sweep", "load"])
def test_the_page_has_the_signatures(name: str) -> None:
    parameters = inspect.signature(getattr(raycl.api, name)).parameters.values()
    written: list[str] = []
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in written:
            written.append("*")
        default = parameter.default
        # Ray puts a function of its own in the place of `print` once it has shown progress bars, so
        # that the default is known by what it was when this module was imported: a function.
        shown = "print" if inspect.isroutine(default) else repr(default)
        written.append(parameter.name + ("" if default is parameter.empty else f"={shown}"))
    assert f"`{name}({', '.join(written)})`" in PAGE


def test_rooms_that_are_called_stay_modules() -> None:
    assert raycl.plan.tree.build_tree  # type: ignore[attr-defined]
    assert pickle.loads(pickle.dumps(sys.modules["raycl.plan"])) is sys.modules["raycl.plan"]


def _file(folder: Path) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(PLANNED))
    return path


@pytest.mark.parametrize(
    "form",
    [
        lambda _: PLANNED,
        lambda _: yaml.safe_dump(PLANNED),
        lambda _: json.dumps(PLANNED),
        _file,
        lambda folder: str(_file(folder)),
    ],
    ids=["mapping", "yaml", "json", "path", "name of a file"],
)
def test_a_recipe_in_any_form_is_the_same_plan(form: Callable[[Path], Any], tmp_path: Path) -> None:
    plan = raycl.plan(form(tmp_path), overrides={"new.steps": 10})
    assert isinstance(plan, Plan)
    assert (plan.name, plan.steps, plan.steps_left) == ("small", 40, 40)
    assert plan.tokens == 40 * 8 * 16
    assert list(plan.recipes["recipe"]) == ["replay 0%", "replay 25%"]
    assert list(plan.recipes["steps"]) == [30, 30]
    assert list(plan.nodes["stage"]) == ["old", "new", "new"]
    assert plan.nodes["tokens"].sum() == plan.tokens
    assert plan.flops == pytest.approx(plan.nodes["flops"].sum())
    assert plan.memory == plan.nodes["memory"].max() > 0
    assert plan.parameters is not None
    assert plan.disk is not None


def test_a_plan_shows_itself() -> None:
    plan = raycl.plan({**PLANNED, "sweep": {"new.replay": ["0%", "25%"]}})
    assert repr(plan).startswith("Plan of small: 2 recipes, 3 nodes; ")
    assert "replay 0%; replay 25%" in repr(plan)
    html = plan._repr_html_()
    assert "<table" in html
    assert "<b>Plan of small</b>" in html


@pytest.mark.parametrize(
    ("recipe", "options", "words"),
    [
        ("none.yaml", {}, "none.yaml"),
        ({"name": "x"}, {}, "recipe: model: missing"),
        ("a: [", {}, "none"),
        ({**PLANNED, "seed": object()}, {}, "not made of text, numbers"),
        (PLANNED, {"overrides": {"new.replya": "5%"}}, "replya"),
        (PLANNED, {"overrides": {"seed": {1, 2}}}, ""),
        (PLANNED, {"gpu": "G9"}, "no GPU whose memory"),
    ],
)
def test_wrong_recipes_are_input_errors(recipe: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(raycl.InputError) as refused:
        raycl.plan(recipe, **options)
    assert refused.type is InputError
    assert words in str(refused.value) or words == "none"


def test_values_of_overrides_are_pythons() -> None:
    overrides = {"later.replay": 0.05, "seed": 3, "execution": {"save_every": 7}, "name": "no"}
    plan = raycl.plan({**PLANNED, "sweep": []}, overrides=overrides)
    assert plan.name == "no"
    execution = plan._preview.plan.tree.nodes[0].training.execution
    assert isinstance(execution, Execution)
    assert execution.save_every == 7


def test_results_are_those_of_the_sweep(runs: Runs, storage: Storage) -> None:
    assert (runs.sweeps, runs.storage) == ((NAME,), storage.url)
    written = pd.read_parquet(f"{storage.url}/sweeps/{NAME}/results.parquet")
    pd.testing.assert_frame_equal(runs.results, written)
    assert runs.status["finished"].all()
    assert runs.report.endswith("report.html")


def test_the_history_of_a_recipe_has_each_step(runs: Runs) -> None:
    history = runs.history("replay 50%")
    assert list(history["step"][history["step"] >= 0]) == list(range(12))
    with pytest.raises(InputError, match="Recipes: replay 0%; replay 50%"):
        runs.history("replay 1%")


def test_the_best_is_the_lowest_of_its_column(runs: Runs, storage: Storage) -> None:
    table = runs.results.set_index("recipe")
    assert runs.best() == Model(storage.url, *_named(storage, "best"))
    for by, column in (("new", "loss/new"), ("older", "loss/older"), ("loss/new", "loss/new")):
        assert runs.best(by).label == table[column].idxmin()
    with pytest.raises(InputError, match=r"no numbers of this name. Known: .*average"):
        runs.best("klingon")


def _named(storage: Storage, reference: str) -> tuple[str, str | None, str | None]:
    found = named_state(storage, reference)
    return found.state, found.sweep, found.label


def test_a_model_is_named_as_in_commands(runs: Runs) -> None:
    model = runs.model("replay 0%")
    assert (model.sweep, model.label) == (NAME, "replay 0%")
    assert runs.model(model.state).state == model.state
    assert runs.model(model.state[:14]).label is None


def test_the_model_is_the_state_itself(runs: Runs) -> None:
    torch = pytest.importorskip("torch")
    model, tokenizer = runs.best().model()
    found = runs.best()._named
    from raycl.train.checkpoint.load import load_model
    from raycl.train.checkpoint.stored_state import read_state

    place = Storage(runs.storage)
    own: Any = load_model(place, read_state(place, found.state), 1, ("eager",)).model
    ids = torch.arange(8)[None]
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, own.eval()(ids).logits)
    assert not model.training
    assert len(tokenizer) == 64


def test_an_export_is_a_folder_with_a_card(runs: Runs, tmp_path: Path) -> None:
    folder = runs.best().export(tmp_path / "out")
    assert {"config.json", "model.safetensors", "README.md"} <= {f.name for f in folder.iterdir()}
    with pytest.raises(InputError, match="not empty"):
        runs.best().export(folder)


def test_a_storage_without_the_sweep(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no sweep here"):
        raycl.load(tmp_path)
    with pytest.raises(InputError, match=r"no sweep 'other'\. Give `sweep`, one of: small"):
        raycl.load(storage.url, "other")


def _result(failed: dict[str, str]) -> Callable[..., SweepResult]:
    def run(definition: Any, place: Storage, options: Any, report: Any) -> SweepResult:
        report(f"{definition.recipe.name} in {place.url} with {options.workers}")
        return SweepResult(pd.DataFrame(), "page", failed)

    return run


def test_a_sweep_is_handed_to_the_pipeline(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    pipeline = sys.modules["raycl.sweep.pipeline"]
    monkeypatch.setattr(pipeline, "sweep", _result({}))
    runs = raycl.sweep(RECIPE, storage.url, workers=2, report=said.append)
    assert runs == Runs(storage.url, NAME)
    assert said == [f"small in {storage.url} with 2"]
    assert runs.bill() is None
    told = raycl.sweep(RECIPE, storage.url, prices=PRICES, report=said.append)
    assert told.bill() == told.bill(PRICES) is not None
    storage.remove(layout.sweep_prices(NAME))
    monkeypatch.setattr(pipeline, "sweep", _result({"new": "it died"}))
    with pytest.raises(raycl.SweepFailed, match=r"new: it died\. The same call") as failed:
        raycl.sweep(RECIPE, storage.url, report=said.append)
    assert failed.value.failed == {"new": "it died"}
    assert failed.value.runs.best().label is not None


PRICES = {
    "source": "made up",
    "date": "2026-01-01",
    "machines": {"own": {"dollars_per_hour": 2, "tokens_per_second": 1000}},
}


@pytest.mark.parametrize("form", ["mapping", "path", "name of a file"])
def test_money_is_that_of_the_commands(runs: Runs, tmp_path: Path, form: str) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(yaml.safe_dump(PRICES))
    forms: dict[str, Any] = {"mapping": PRICES, "path": path, "name of a file": str(path)}
    prices = forms[form]
    plan = raycl.plan(PLANNED, prices=prices)
    (line,) = plan.costs.to_dict("records")
    hours = plan.tokens / 1000 / 3600
    assert line["kind"] == "own"
    assert line["left_hours"] == pytest.approx(hours)
    assert line["whole_dollars"] == pytest.approx(2 * hours)
    assert line["shared_hours"] == pytest.approx(20 * 8 * 16 / 1000 / 3600)
    assert line["spot_dollars"] != line["spot_dollars"]  # there is no such price
    bill = runs.bill(prices)
    assert isinstance(bill, raycl.Bill)
    assert bill.dollars == pytest.approx(2 * bill.worker_hours)
    assert (bill.states, bill.spot_dollars, dict(bill.unpriced)) == (3, None, {})
    assert str(bill).endswith("led to the 3 states that are stored")


def test_without_prices_there_is_no_money(runs: Runs) -> None:
    costs = raycl.plan(PLANNED).costs
    assert costs.empty
    assert list(costs) == list(raycl.plan(PLANNED, prices=PRICES).costs)
    assert runs.bill() is None
    with pytest.raises(InputError, match=r"prices:?.*machines"):
        raycl.plan(PLANNED, prices={**PRICES, "machines": {}})
    with pytest.raises(InputError, match="Give plain values"):
        runs.bill({"source": object()})
