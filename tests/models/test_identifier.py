"""A checkpoint is identified by what its tensors are, and by nothing else of its files."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from raycl.errors import InputError
from raycl.models.headers import read_headers
from raycl.models.identifier import hashed_tensors, identifier_of
from raycl.models.read import read_start
from tests.helpers.checkpoints import CONFIG, small_tensors, write_checkpoint

TENSORS = small_tensors()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "raycl" / "hashes"


def identifier(folder: Path) -> str:
    return identifier_of(hashed_tensors(read_headers(folder)))


def test_the_form_of_the_files_is_no_part_of_it(tmp_path: Path) -> None:
    plain = identifier(write_checkpoint(tmp_path / "plain"))
    others = {
        "sharded": write_checkpoint(tmp_path / "sharded", shards=3),
        "order": write_checkpoint(tmp_path / "order", order=sorted(TENSORS, reverse=True)),
        "metadata": write_checkpoint(tmp_path / "metadata", metadata={"format": "pt"}),
    }
    (tmp_path / "link").symlink_to(tmp_path / "plain")
    others["link"] = tmp_path / "link"
    assert {name: identifier(folder) for name, folder in others.items()} == dict.fromkeys(
        others, plain
    )


def test_everything_about_a_tensor_is_part_of_it(tmp_path: Path) -> None:
    norm = "model.norm.weight"
    dtype, shape, data = TENSORS[norm]
    bit = bytes([data[0] ^ 1]) + data[1:]
    changes = {
        "a bit": {**TENSORS, norm: (dtype, shape, bit)},
        "float16": {**TENSORS, norm: ("F16", (16,), data)},
        "a type": {**TENSORS, norm: ("BF16", (16,), data)},
        "a shape": {**TENSORS, norm: (dtype, (4, 2), data)},
        "a name": {("norms" if name == norm else name): t for name, t in TENSORS.items()},
        "one less": {name: tensor for name, tensor in TENSORS.items() if name != norm},
        "one more": {**TENSORS, "norm2": TENSORS[norm]},
        "two exchanged": {
            **TENSORS,
            "lm_head.weight": TENSORS["model.embed_tokens.weight"],
            "model.embed_tokens.weight": TENSORS["lm_head.weight"],
        },
    }
    found = {
        name: identifier(write_checkpoint(tmp_path / name, tensors))
        for name, tensors in changes.items()
    }
    assert len({*found.values(), identifier(write_checkpoint(tmp_path / "plain"))}) == 9


def settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the files written just now count as old."""
    later = time.time_ns() + 10**11
    monkeypatch.setattr(time, "time_ns", lambda: later)


def test_a_file_is_hashed_once(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_checkpoint(tmp_path / "model")
    first = identifier(folder)
    assert not cache.exists()  # it may change again within the tick of the file system's clock
    settle(monkeypatch)
    assert identifier(folder) == first
    (kept,) = cache.iterdir()
    monkeypatch.setattr("raycl.models.identifier._hashed", lambda _: pytest.fail("read again"))
    assert identifier(folder) == first
    assert json.loads(kept.read_text())["hashes"]


def test_an_edit_that_keeps_size_and_time_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    folder = write_checkpoint(tmp_path / "model")
    file = folder / "model.safetensors"
    before, times = identifier(folder), file.stat()
    with file.open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        last = stream.read(1)[0]
        stream.seek(-1, os.SEEK_END)
        stream.write(bytes([last ^ 1]))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert file.stat().st_mtime_ns == times.st_mtime_ns
    assert identifier(folder) != before


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"key": [], "hashes": {"model.norm.weight": "0"}}']
)
def test_a_damaged_cache_is_not_used(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    settle(monkeypatch)
    folder = write_checkpoint(tmp_path / "model")
    before = identifier(folder)
    for file in cache.iterdir():
        file.write_bytes(content)
    assert identifier(folder) == before


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    folder = write_checkpoint(tmp_path / "model")
    assert identifier(folder) == identifier(folder)


def test_a_folder_is_read_from_where_the_command_runs(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "model")
    start = read_start("./model", tmp_path)
    assert start.folder == folder
    assert start.config == CONFIG
    assert start.tensors["model.norm.weight"].shape == (8,)
    assert start.identifier == read_start(str(folder), Path("/")).identifier


def test_home_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_checkpoint(tmp_path / "model")
    assert read_start("~/model", Path("/")).folder == tmp_path / "model"


def test_what_is_no_checkpoint_is_refused_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    empty = tmp_path / "empty"
    empty.mkdir()
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text('{"model_type": "llama"}')
    (pickled / "pytorch_model.bin").write_bytes(b"x")
    cut = write_checkpoint(tmp_path / "cut")
    (cut / "model.safetensors").write_bytes((cut / "model.safetensors").read_bytes()[:-1])
    broken = write_checkpoint(tmp_path / "broken")
    (broken / "config.json").write_text("[")
    nameless = write_checkpoint(tmp_path / "nameless", config={"hidden_size": 8})
    cases = {
        "./missing": "there is no folder",
        "file": "a file, not a folder",
        "empty": "has no config.json",
        "pickled": "pickles",
        "cut": "model.safetensors: truncated",
        "broken": "config.json: not JSON",
        str(nameless): "model_type",
    }
    for reference, message in cases.items():
        with pytest.raises(InputError, match=message):
            read_start(reference, tmp_path)


def test_a_hub_name_becomes_a_local_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = write_checkpoint(tmp_path / "0123abcd")
    asked = []

    def download(name: str, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((name, revision))
        assert not any(pattern.endswith((".bin", ".pt", "*")) for pattern in allow_patterns)
        return str(commit)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    start = read_start("owner/model@v1", tmp_path)
    assert (start.folder, start.commit, asked) == (commit, "0123abcd", [("owner/model", "v1")])


def test_a_hub_that_does_not_answer_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(*_: object, **__: object) -> str:
        raise OSError("no route to host\nand more")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    with pytest.raises(InputError, match=r"neither a folder here nor .* \(no route to host\)"):
        read_start("owner/model", tmp_path)
