"""Exported folders: what transformers alone makes of them, in a process without raycl."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from raycl.data.manifest import load_manifest
from raycl.data.shards import CorpusReader
from raycl.errors import InputError
from raycl.evaluation.export import ExportOptions, export_state
from raycl.evaluation.partial_folder import check_new, written_beside
from raycl.storage import Storage
from raycl.train.checkpoint.cast import cast
from raycl.train.model.architecture import check_fields
from tests.helpers.paths import ROOT
from tests.helpers.stored_checkpoints import FAMILIES, STATE, stored_family

# It may use nothing of raycl: `-I` and another folder keep the repository off its path.
_LOAD = """
import json, sys, torch, transformers
assert not any(name.startswith("raycl") for name in sys.modules)
folder, dtype = sys.argv[1], sys.argv[2]
model = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
rows = torch.tensor(json.loads(sys.stdin.read()))
with torch.no_grad():
    logits = model.eval().float()(input_ids=rows[:, :-1]).logits
loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
first = json.load(open(folder + "/config.json"))
tied = model.get_input_embeddings().weight is model.get_output_embeddings().weight
print(json.dumps({"loss": loss.item(), "end": tokenizer.eos_token_id, "tied": tied,
                  "generation_end": model.generation_config.eos_token_id}))
"""


def loaded_alone(folder: Path, rows: list[list[int]]) -> dict[str, Any]:
    made = subprocess.run(
        [sys.executable, "-I", "-c", _LOAD, str(folder), "float32"],
        input=json.dumps(rows),
        capture_output=True,
        text=True,
        cwd=folder.parent,
        env={"PATH": os.environ["PATH"], "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert made.returncode == 0, made.stderr
    found: dict[str, Any] = json.loads(made.stdout.splitlines()[-1])
    return found


def rows_of(storage: Storage) -> list[list[int]]:

    manifest = load_manifest(storage, "corpora/new")
    rows: list[list[int]] = (
        CorpusReader(storage, "corpora/new", manifest, "validation").read(0, 4).tolist()
    )
    return rows


@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_alone_has_the_same_loss(tmp_path: Path, family: str) -> None:
    storage, out = stored_family(tmp_path / "storage", family), tmp_path / "out"
    made = export_state(storage, STATE, out, ExportOptions(dtype="float32"))
    assert made.loss is not None
    found = loaded_alone(out, rows_of(storage))
    assert found["loss"] == pytest.approx(made.loss.own, abs=1e-5)
    assert made.loss.loaded == pytest.approx(made.loss.own, abs=1e-5)
    assert found["end"] == found["generation_end"] == 63  # not the one of the class's defaults
    assert found["tied"] == (family not in ("gpt_neox", "llama, long", "mixtral, experts"))
    config = json.loads((out / "config.json").read_text())
    assert config["dtype"] == config["torch_dtype"] == "float32"


def test_a_cast_folder_is_compared_with_the_same_weights_cast(tmp_path: Path) -> None:
    storage, out = stored_family(tmp_path / "storage", "mixtral, experts"), tmp_path / "out"
    made = export_state(storage, STATE, out, ExportOptions(dtype="bfloat16"))
    assert made.loss is not None
    assert made.loss.loaded == pytest.approx(made.loss.cast, abs=1e-5)
    assert 1e-5 < abs(made.loss.cast - made.loss.own) < 1e-2
    assert loaded_alone(out, rows_of(storage))["loss"] == pytest.approx(made.loss.cast, abs=1e-5)
    config = json.loads((out / "config.json").read_text())
    assert config["dtype"] == config["torch_dtype"] == "bfloat16"
    with safe_open(out / "model.safetensors", "pt") as file:
        assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"BF16"}  # noqa: SIM118


def test_tied_weights_are_written_once_in_any_type_and_in_many_files(tmp_path: Path) -> None:
    storage, out = stored_family(tmp_path / "storage", "llama, tied"), tmp_path / "out"
    export_state(storage, STATE, out, ExportOptions(dtype="bfloat16", file_bytes=5_000))
    places = json.loads((out / "model.safetensors.index.json").read_text())["weight_map"]
    assert "model.embed_tokens.weight" in places
    assert "lm_head.weight" not in places
    assert len(set(places.values())) > 2
    assert loaded_alone(out, rows_of(storage))["tied"]


def test_rotary_positions_have_their_earlier_names(tmp_path: Path) -> None:
    expected = {
        "gpt_neox": {"rotary_emb_base": 777, "rotary_pct": 0.5},
        "llama, long": {"rope_theta": 777.0},
        "gemma3": {"rope_theta": 777.0, "rope_local_base_freq": 77.0},
    }
    for family, fields in expected.items():
        storage, out = stored_family(tmp_path / family, family), tmp_path / f"{family} out"
        export_state(storage, STATE, out)
        config = json.loads((out / "config.json").read_text())
        assert fields.items() <= config.items()
        assert config.get("rope_scaling", {}).get("factor") == (2.0 if "long" in family else None)
        check_fields(config)  # a recipe may continue from the folder


def test_numbers_that_a_type_lacks_are_refused() -> None:
    with pytest.raises(InputError, match=r"--dtype float16: model\.w holds numbers above 65504"):
        cast("model.w", torch.tensor([1.0, 1e6]), torch.float16)
    assert cast("w", torch.tensor([1.0, float("inf")]), torch.float16)[1] == float("inf")


def test_another_model_in_the_folder_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = stored_family(tmp_path / "storage", "gpt_neox")

    def wrong(folder: Path, *_: Any) -> None:
        config = json.loads((folder / "config.json").read_text())
        config["rope_parameters"]["rope_theta"] = 2.0
        (folder / "config.json").write_text(json.dumps(config))

    monkeypatch.setattr("raycl.evaluation.export.finish_config", wrong)
    with pytest.raises(InputError, match="not the same model"):
        export_state(storage, STATE, tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"storage"}  # nothing is left


_KILLED = """
import os, signal, sys
from pathlib import Path
from raycl.evaluation.export import export_state
from raycl.storage import Storage
def kill(folder, made):
    os.kill(os.getpid(), signal.SIGKILL)
export_state(Storage(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), finish=kill)
"""


def test_a_killed_export_leaves_no_folder_and_is_replaced(tmp_path: Path) -> None:
    storage, out = stored_family(tmp_path / "storage", "gpt2, tied"), tmp_path / "out"
    arguments = [sys.executable, "-c", _KILLED, storage.url, STATE, str(out)]
    assert subprocess.run(arguments, check=False, cwd=ROOT).returncode == -signal.SIGKILL
    left = tmp_path / "out.partial"
    assert not out.exists()
    assert (left / "model.safetensors").exists()
    said: list[str] = []
    export_state(storage, STATE, out, report=said.append)
    assert said == [f"{left} was left by an export that did not end; it is replaced"]
    assert not left.exists()
    assert not [file.name for file in out.iterdir() if file.name.startswith(".")]


def test_a_folder_of_the_user_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial/thesis.txt").touch()
    with pytest.raises(InputError, match="something else has this name"):
        check_new(tmp_path / "out")


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = stored_family(tmp_path / "storage", "gpt2, tied")
    usage = shutil.disk_usage(tmp_path)._replace(free=2**20)
    with monkeypatch.context() as patched:
        patched.setattr("shutil.disk_usage", lambda _: usage)
        with pytest.raises(InputError, match=r"its disk has 1\.05 MB left"):
            export_state(storage, STATE, tmp_path / "out")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        export_state(storage, STATE, tmp_path / "out", finish=full)
    assert {path.name for path in tmp_path.iterdir()} == {"storage"}


def test_a_folder_that_another_export_writes_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    told: list[str] = []
    with written_beside(out, told.append) as first:
        (first / "first.txt").touch()
        with (
            pytest.raises(InputError, match="another export writes this folder now"),
            written_beside(out, told.append),
        ):
            pass
    assert [file.name for file in out.iterdir()] == ["first.txt"]
    assert not told


def test_a_link_and_a_place_in_a_file_are_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"file is a file\. Give a folder elsewhere"):
        check_new(tmp_path / "file/a/b")
    with pytest.raises(InputError, match=r"it is a link\. Give a new folder"):
        check_new(tmp_path / "link")
