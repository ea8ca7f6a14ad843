"""A stored state becomes a model to start from, and outlives the state."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from raycl.cli.main import main
from raycl.errors import InputError
from raycl.models.find import find_start, is_state_name
from raycl.models.store import verify_start
from raycl.results.named_state import named_state
from raycl.states.mark import remove_state
from raycl.train.checkpoint.load import load_model
from raycl.train.checkpoint.stored_state import read_state
from tests.helpers.finished_sweep import finished_sweep


def test_a_state_is_known_by_its_form() -> None:
    assert is_state_name("000000400-1a2b")
    assert is_state_name("000000400-" + "a" * 40)
    for other in ("0a1b2c3d4e5f", "400-1a2b", "000000400", "HuggingFaceTB/SmolLM2-135M"):
        assert not is_state_name(other)


def added(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["models", "add", *arguments])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out.strip(), " ".join(captured.err.split())


def test_a_model_is_named_as_in_all_other_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = finished_sweep(tmp_path / "storage")
    best = named_state(storage, "best")
    assert best.label is not None
    found = {
        added(capsys, reference, "--storage", storage.url)
        for reference in (best.state, best.state[10:18], best.label, best.label.upper(), "best")
    }
    assert {(code, err) for code, _, err in found} == {(0, "")}
    assert len(found) == 1
    for reference, message in (
        (("replay 5%",), "Do you mean 'replay 50%'?"),
        (("best", "--sweep", "large"), "Known sweeps: small"),
        (("./nowhere",), "there is no folder"),
        (("no where/at all",), "there is no folder"),
    ):
        code, _, err = added(capsys, *reference, "--storage", storage.url)
        assert (code, message in err) == (2, True), err
    code, _, err = added(capsys, "no model", "--storage", str(tmp_path / "empty"))
    assert (code, "there is no folder" in err) == (2, True), err
    (tmp_path / "best").mkdir()  # a folder comes first
    monkeypatch.chdir(tmp_path)
    code, _, err = added(capsys, "best", "--storage", storage.url)
    assert (code, "best" in err and "config.json" in err) == (2, True), err
    again = added(capsys, "best", "--storage", storage.url, "--sweep", "small")
    assert again in found


def test_the_weights_of_a_state_are_kept_as_they_were_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = finished_sweep(tmp_path / "storage")
    state = storage.list("states")[-1]
    with pytest.raises(InputError, match=r"this is a state[\s\S]*raycl models add"):
        find_start(state[:14], tmp_path, storage)
    found = []
    for reference in (state[:14], state):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["models", "add", reference, "--storage", storage.url])
        assert ended.value.code == 0
        found.append(capsys.readouterr().out.strip())
    identifier, again = found
    assert identifier == again
    trained = load_model(storage, read_state(storage, state), 16).model.state_dict()
    remove_state(storage, state)
    verify_start(storage, identifier)
    start, note = find_start(identifier[:12], tmp_path, storage)
    assert (start.identifier, note) == (identifier, "")
    assert {header.dtype for header in start.tensors.values()} == {"F32"}
    assert start.folder is not None
    kept = load_file(start.folder / "model.safetensors")
    # GPT-NeoX calls its head otherwise in its files than in the class.
    assert kept.keys() - trained.keys() == {"embed_out.weight"}
    assert all(torch.equal(kept[n], trained[n]) for n in kept.keys() & trained.keys())
