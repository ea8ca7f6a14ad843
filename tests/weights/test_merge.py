"""Merged states: like any other to read, and never mistaken for one of a training."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
import transformers

from raycl.cli.main import main
from raycl.errors import InputError
from raycl.evaluation.losses import evaluate_state
from raycl.plan.merge_method import MergeMethod, ties
from raycl.results.model_card.lineage import lineage
from raycl.states.mark import MergeOrigin, read_mark, write_mark
from raycl.storage import Storage
from raycl.train.checkpoint.export import export_hugging_face
from raycl.train.checkpoint.load import deepest_state, load_model
from raycl.train.checkpoint.stored_state import read_state
from raycl.train.checkpoint.tensors import named_tensors
from raycl.weights import merge as merging
from raycl.weights.merge import merge_states
from raycl.weights.ties import ties as ties_of
from tests.helpers import training_runs
from tests.helpers.training_runs import make_storage, make_task, run

BASE, END = (make_task().chain.name(step) for step in (2, 4))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    run(make_storage(folder), stop=2)
    run(Storage(folder), start=2, stop=4)
    return folder


@pytest.fixture
def storage(trained: Path, tmp_path: Path) -> Storage:
    """A copy of a storage with two states of one chain."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return Storage(tmp_path)


def weights(storage: Storage, name: str) -> dict[str, torch.Tensor]:
    return named_tensors(load_model(storage, read_state(storage, name), 1), None)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_state_holds_the_merge_and_says_of_what(storage: Storage) -> None:
    name = merge_states(storage, BASE, [END], ties(Fraction(1, 5), 0.5))
    base, end = weights(storage, BASE), weights(storage, END)
    assert same(weights(storage, name), ties_of(base, [end], Fraction(1, 5), 0.5))
    state = read_state(storage, name)
    assert state.kept
    assert state.mark.merged == MergeOrigin(base=BASE, states=(END,), density=0.2, scale=0.5)
    lines = pq.read_table(storage.full_path(state.path("history.parquet")))
    assert (lines.column_names, lines.num_rows) == (["step"], 0)
    assert not [key for key in weights(storage, name) if "optimizer" in key]


def test_a_whole_merge_is_its_model_in_losses_and_export(storage: Storage, tmp_path: Path) -> None:
    name = merge_states(storage, BASE, [END], ties(1))
    corpora = ["new", "older"]
    assert evaluate_state(storage, name, corpora) == evaluate_state(storage, END, corpora)
    export_hugging_face(storage, name, tmp_path / "exported")
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "exported")
    expected = weights(storage, END)
    assert all(torch.equal(p, expected[f"model.{n}"]) for n, p in model.named_parameters())


def test_training_does_not_take_it_for_its_own(storage: Storage) -> None:
    merge_states(storage, BASE, [END], ties(1))
    found = deepest_state(storage, make_task().chain, 8)
    assert found is not None
    assert found.name == END
    assert deepest_state(storage, make_task().chain, 1) is None


def test_a_merge_is_made_once_whatever_the_order(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = merge_states(storage, BASE, [END, BASE], ties(Fraction("0.20")))
    monkeypatch.delattr(merging, "_write")
    assert merge_states(storage, BASE, [BASE, END[:9]], ties(Fraction(1, 5), 1)) == name
    others = [
        (END, [BASE], 0.2, 1.0),
        (BASE, [END], 0.2, 1.0),
        (BASE, [END, BASE], 0.3, 1.0),
        (BASE, [END, BASE], 0.2, 0.9),
    ]
    for base, states, density, scale in others:
        with pytest.raises(NameError):
            merge_states(storage, base, states, ties(density, scale))


@pytest.mark.parametrize("field", ["intermediate_size", "use_parallel_residual"])
def test_models_that_do_not_match_are_refused(
    field: str, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of the two has the same tensors, which are used in another order."""
    changes: dict[str, object] = {"intermediate_size": 64, "use_parallel_residual": False}
    monkeypatch.setattr(training_runs, "CONFIG", training_runs.CONFIG | {field: changes[field]})
    elsewhere = make_storage(tmp_path / "elsewhere")
    run(elsewhere, stop=1)
    name = make_task().chain.name(1)
    shutil.copytree(elsewhere.full_path(f"states/{name}"), storage.full_path(f"states/{name}"))
    with pytest.raises(InputError, match=f"the {field} of its model is .*, but .* in the base"):
        merge_states(storage, BASE, [name], ties(0.2))
    monkeypatch.setattr(merging, "check_same_model", lambda *_: None)  # as for an earlier mark
    if field == "intermediate_size":
        with pytest.raises(InputError, match=r"mlp.* is \[32, 64\], but \[32, 128\] in the"):
            merge_states(storage, BASE, [name], ties(0.2))


def test_states_of_other_tokenizers_are_refused(storage: Storage) -> None:
    for name, tokenizer in ((BASE, "a" * 64), (END, "b" * 64)):
        mark = read_mark(storage, name)
        metadata = mark.metadata.model_copy(update={"tokenizer": tokenizer})
        write_mark(storage, name, mark.model_copy(update={"metadata": metadata}))
    with pytest.raises(InputError, match=r"its tokenizer is b{64}, but a{64} in the"):
        merge_states(storage, BASE, [END], ties(0.2))


@pytest.mark.parametrize("density", [0, -0.1, 1.01])
def test_a_density_that_is_no_share_is_refused(storage: Storage, density: float) -> None:
    with pytest.raises(InputError, match="not a share"):
        merge_states(storage, BASE, [END], ties(density))


def test_the_command(storage: Storage, capsys: pytest.CaptureFixture[str]) -> None:
    def command(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["merge", *arguments, "--storage", storage.url])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out + captured.err

    densities = ["--density", "20%", "--density", "0.5"]
    code, out = command("000000004", "--base", "000000002", *densities, "--corpus", "new")
    assert code == 0
    for density in ("20%", "0.5"):
        name = merge_states(storage, BASE, [END], ties(Fraction(density.replace("20%", "1/5"))))
        assert name in out
        mark = json.loads(Path(storage.full_path(f"states/{name}/state.json")).read_text())
        assert mark["merged"]["scale"] == 1.0
        assert f"{evaluate_state(storage, name, ['new'])['new']:.4f}" in out
    for arguments, message in (
        (["000000004", "--base", "9"], "no such complete state"),
        (["000000004", "--base", "000000002", "--density", "x%"], "--density 'x%'"),
        (["000000004", "--base", "000000002", "--density", "120%"], "not a share"),
        (["000000004", "--base", "000000002", "--corpus", "nw"], "not prepared here"),
    ):
        code, out = command(*arguments)
        assert (code, message in out) == (2, True), out


def test_a_weight_for_each_state(storage: Storage, capsys: pytest.CaptureFixture[str]) -> None:
    method = MergeMethod("task-arithmetic", weights=(Fraction("0.7"), Fraction("0.3")))
    name = merge_states(storage, BASE, [END, BASE], method)
    mark = read_mark(storage, name)
    assert mark.merged is not None
    assert (mark.merged.states, mark.merged.weights) == ((BASE, END), (0.3, 0.7))
    assert mark.merged.weight is None
    base, end = weights(storage, BASE), weights(storage, END)
    for tensor, values in weights(storage, name).items():
        change = end[tensor].double() - base[tensor].double()
        assert torch.equal(values, (base[tensor].double() + 0.7 * change).float())
    reverse = MergeMethod("task-arithmetic", weights=(Fraction("0.3"), Fraction("0.7")))
    assert merge_states(storage, BASE, [BASE, END], reverse) == name
    told = "\n".join(lineage(storage, mark, None))
    assert "in this order the weights 0.3, 0.7" in told
    command = ["merge", END, BASE, "--base", BASE, "--storage", storage.url, "--weight", "0.7,0.3"]
    with pytest.raises(SystemExit):
        main(command)
    assert f"weight 0.7,0.3: {name}" in capsys.readouterr().out
    for wrong in ("0.7,0.3,1", "0.7,x"):
        with pytest.raises(SystemExit) as ended:
            main([*command[:-1], wrong])
        assert ended.value.code == 2
