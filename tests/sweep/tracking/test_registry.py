"""A recipe names its trackers; what cannot work is refused before anything starts."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from raycl.errors import InputError
from raycl.recipe import parse_recipe
from raycl.recipe.checks import why_fixed
from raycl.recipe.schema.trackers import Aim, TensorBoard, Trackers, WeightsAndBiases
from raycl.storage import Storage
from raycl.sweep.tracking.registry import TRACKERS, check_trackers
from tests.helpers.recipe_data import recipe_data, resolved


def used(**fields: Any) -> dict[str, Any]:
    return parse_recipe(recipe_data(**fields), "here").trackers.used


def test_the_recipe_s_one_line() -> None:
    assert set(used()) == {"tensorboard"}
    assert set(used(trackers="mlflow")) == {"mlflow"}
    assert used(trackers=[]) == used(trackers={}) == {}
    mixed = used(trackers=["tensorboard", {"mlflow": {"uri": "http://h:5000", "experiment": "e"}}])
    assert mixed == used(
        trackers={"tensorboard": None, "mlflow": {"uri": "http://h:5000", "experiment": "e"}}
    )
    assert mixed["mlflow"].uri == "http://h:5000"
    assert set(TRACKERS) == set(Trackers.model_fields)


@pytest.mark.parametrize("value", [[], ["mlflow"], {"wandb": {"mode": "offline"}, "aim": None}])
def test_what_is_not_used_stays_so_when_a_recipe_is_read_again(value: Any) -> None:
    written = parse_recipe(recipe_data(trackers=value), "here")
    assert parse_recipe(written.model_dump(), "again").trackers == written.trackers
    assert parse_recipe(written.model_dump(mode="json"), "again").trackers == written.trackers


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["tensorbord"], "there is no tracker 'tensorbord'.*tensorboard, mlflow, wandb, aim"),
        (["wandb", {"wandb": {}}], "named twice"),
        (3, "no list of trackers"),
        ([3], "3 is no tracker"),
        ({"wandb": {"api_key": "x"}}, "api_key"),
        ({"mlflow": {"uri": "http://me:secret@host"}}, "holds credentials.*MLFLOW_TRACKING"),
        ({"aim": {"repo": "aim://me:secret@host"}}, r"trackers\.aim\.repo: .*holds credentials"),
    ],
)
def test_what_is_no_tracker(value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        used(trackers=value)
    assert "me:secret" not in str(raised.value)


def test_trackers_are_no_part_of_a_recipe_s_states() -> None:
    plain = resolved(recipe_data())
    tracked = resolved(recipe_data(trackers=["mlflow"], notify={"url_variable": "HOOK"}))
    assert plain.chain.name(40) == tracked.chain.name(40)
    recipe = parse_recipe(recipe_data(), "here")
    assert why_fixed(recipe, "trackers") is not None
    assert why_fixed(recipe, "notify.events") is not None


def test_a_missing_library_is_told_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    check_trackers({"tensorboard": TensorBoard()}, Storage(tmp_path))
    with pytest.raises(InputError, match=r"wandb, not installed here\. Run pip install '?wandb"):
        check_trackers({"wandb": WeightsAndBiases()}, Storage(tmp_path))


def test_what_cannot_work_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    storage = Storage(tmp_path)
    with pytest.raises(InputError, match="WANDB_API_KEY is not set"):
        check_trackers({"wandb": WeightsAndBiases()}, storage)
    check_trackers({"wandb": WeightsAndBiases(mode="offline"), "aim": Aim()}, storage)
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password abc\n")
    check_trackers({"wandb": WeightsAndBiases()}, storage)
    monkeypatch.setattr(storage, "local_root", None)
    for name, settings in (("wandb", WeightsAndBiases(mode="offline")), ("aim", Aim())):
        with pytest.raises(InputError, match=r"storage is remote|this one is remote"):
            check_trackers({name: settings}, storage)
