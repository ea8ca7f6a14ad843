"""What comes from storage or from somebody's recipe cannot leave the root, or run anything."""

from __future__ import annotations

import dataclasses
import io
import ipaddress
import json
import os
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import yaml

from raycl.data.manifest import fingerprinted, load_manifest, write_manifest
from raycl.data.shards import CorpusReader
from raycl.errors import InputError
from raycl.evaluation.store import TaskScores, add_losses, write_task
from raycl.evaluation.task_requests import requests
from raycl.models.read import read_start
from raycl.plan.training import ModelSpec
from raycl.recipe import parse_recipe
from raycl.recipe.definition import define
from raycl.results.table import file_name
from raycl.states.lookup import find_state, swept_states
from raycl.storage import Storage
from raycl.storage.record import sealed
from raycl.storage.urls import refuse_secret
from raycl.sweep.description import stored_definition
from raycl.train.checkpoint.load import load_model
from raycl.train.checkpoint.stored_state import read_state
from raycl.train.start.fill import whole_model
from tests.helpers.recipe_data import WHERE, changed, recipe_data, write_recipe
from tests.helpers.training_runs import LENGTH, make_storage, make_task, run

OUTSIDE = ["../outside", "a/../../outside", "..", "/etc/passwd", "nul\0"]


class Bomb:
    """Its unpickling makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.path,)


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """What a bomb would make; the test's end makes sure that none has."""
    return tmp_path / "sprung"


@pytest.fixture
def trained(tmp_path: Path) -> Storage:
    """A storage with two corpora and a state after two steps."""
    storage = make_storage(tmp_path / "storage")
    run(storage, stop=2)
    return storage


def state_folder(storage: Storage) -> Path:
    return Path(storage.full_path(f"states/{make_task().chain.name(2)}"))


def load(storage: Storage) -> None:
    load_model(storage, read_state(storage, make_task().chain.name(2)), LENGTH)


# Paths


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_path_leaves_the_root(tmp_path: Path, path: str) -> None:
    storage = Storage(tmp_path / "root")
    (tmp_path / "outside").mkdir()
    attempts: list[Any] = [
        storage.exists,
        storage.size,
        storage.read_bytes,
        storage.read_json,
        storage.list,
        storage.remove_folder,
        lambda p: storage.read_range(p, 0, 1),
        lambda p: storage.write_bytes(p, b""),
        lambda p: storage.download_folder(p, tmp_path),
    ]
    for attempt in attempts:
        with pytest.raises(InputError, match="leaves the storage root"):
            attempt(path)
    assert (tmp_path / "outside").exists()


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    storage, outside = Storage(tmp_path / "root"), tmp_path / "outside"
    storage.write_bytes("inside/file", b"inside")
    outside.mkdir()
    (outside / "file").write_bytes(b"secret")
    (tmp_path / "root/folder").symlink_to(outside)
    (tmp_path / "root/link").symlink_to(outside / "file")
    (tmp_path / "root/nowhere").symlink_to(tmp_path / "missing")
    for path in ("folder/file", "folder", "link", "nowhere"):
        for attempt in (storage.read_bytes, storage.exists, storage.remove_folder):
            with pytest.raises(InputError, match="symbolic link"):
                attempt(path)
        with pytest.raises(InputError, match="symbolic link"):
            storage.write_bytes(path, b"overwritten")
    assert (outside / "file").read_bytes() == b"secret"
    assert not (tmp_path / "missing").exists()


def test_links_within_the_root_and_to_the_root_are_followed(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "root")
    storage.write_bytes("inside/file", b"inside")
    (tmp_path / "root/link").symlink_to(tmp_path / "root/inside")
    (tmp_path / "alias").symlink_to(tmp_path / "root")
    assert storage.read_bytes("link/file") == b"inside"
    assert Storage(tmp_path / "alias").read_bytes("inside/file") == b"inside"
    # A neighbour whose name begins alike is outside.
    (tmp_path / "root-2").mkdir()
    (tmp_path / "root/other").symlink_to(tmp_path / "root-2")
    with pytest.raises(InputError, match="symbolic link"):
        storage.exists("other")


@pytest.mark.parametrize("name", ["../x", "/x", "a/b", "", ".", "..", "a\nb", "a\\b"])
def test_names_in_recipes_are_names(name: str) -> None:
    for data in (recipe_data(name=name), changed(0, name=name)):
        with pytest.raises(InputError, match=r"name"):
            parse_recipe(data, WHERE)
    corpora = {**recipe_data()["corpora"], name: {"text": "x.jsonl"}}
    with pytest.raises(InputError, match=r"corpora|corpus"):
        parse_recipe(recipe_data(corpora=corpora), WHERE)


def test_labels_of_recipes_become_plain_file_names() -> None:
    names = [file_name(label) for label in ("../../evil", "/etc/passwd", "..", "a\0b", "a/b")]
    assert not [name for name in names if "/" in name or "\0" in name or name.startswith(".")]


@pytest.mark.parametrize("name", ["../../x", "../states"])
def test_sweeps_and_states_are_looked_up_below_the_root(tmp_path: Path, name: str) -> None:
    storage = Storage(tmp_path / "a/b")
    (tmp_path / "a/x").mkdir(parents=True)
    (tmp_path / "a/x/recipe.yaml").write_text("{}")
    for attempt in (stored_definition, swept_states, find_state):
        with pytest.raises(InputError):
            attempt(storage, name)


def test_evaluations_stay_below_the_root(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "root")
    scores = TaskScores(
        task="../../../../out",
        shots=None,
        limit=None,
        harness="1",
        digest=None,
        metrics={"acc": 1.0},
        errors={},
    )
    attempts: list[Callable[[], None]] = [
        lambda: write_task(storage, "state", scores),
        lambda: add_losses(storage, "../../out", {("c", "f", 1): 1.0}),
    ]
    for attempt in attempts:
        with pytest.raises(InputError, match="leaves the storage root"):
            attempt()
    assert not list(tmp_path.glob("out*"))


def manifest_with(storage: Storage, **fields: Any) -> None:
    manifest = fingerprinted(load_manifest(storage, "corpora/new"), **fields)
    write_manifest(storage, "corpora/new", manifest)


def read_a_row(storage: Storage) -> None:
    manifest = load_manifest(storage, "corpora/new")
    CorpusReader(storage, "corpora/new", manifest).read(0, 1)


@pytest.mark.parametrize("file", ["../../../outside.npy", "/etc/passwd", "link.npy"])
def test_shards_of_a_manifest_lie_below_the_root(trained: Storage, file: str) -> None:
    manifest = load_manifest(trained, "corpora/new")
    shard = Path(trained.full_path("corpora/new/train/00000.npy"))
    assert trained.local_root is not None
    for ending in (".npy", ".crc32.npy"):  # a true shard, in the wrong place
        target = trained.local_root.parent / f"outside{ending}"
        target.write_bytes(shard.with_name(f"00000{ending}").read_bytes())
        (shard.parents[1] / f"link{ending}").symlink_to(target)
    train = manifest.train
    shards = (dataclasses.replace(train.shards[0], file=file),)
    manifest_with(trained, train=dataclasses.replace(train, shards=shards))
    with pytest.raises(InputError, match=r"root|missing"):
        read_a_row(trained)


@pytest.mark.parametrize("tokenizer", ["../../..", "/etc", "a/b", "", "me/hub-model"])
def test_a_manifest_names_no_tokenizer_elsewhere(trained: Storage, tokenizer: str) -> None:
    manifest_with(trained, tokenizer=tokenizer)
    with pytest.raises(InputError, match="tokenizer"):
        load_manifest(trained, "corpora/new")


def test_files_of_a_state_lie_in_its_folder(trained: Storage) -> None:
    folder = state_folder(trained)
    mark = json.loads((folder / "state.json").read_text())
    shard = next(folder.glob("*.safetensors"))
    outside = folder.parents[2] / "outside.safetensors"
    outside.write_bytes(shard.read_bytes())
    for name in (str(outside), "../../../outside.safetensors", "a/b.safetensors"):
        files = {**mark["files"], name: mark["files"][shard.name]}
        (folder / "state.json").write_text(json.dumps(sealed({**mark, "files": files})))
        with pytest.raises(InputError, match="not a file name"):
            load(trained)
    (folder / "state.json").write_text(json.dumps(mark))
    load(trained)
    shard.unlink()
    shard.symlink_to(outside)
    with pytest.raises(InputError, match="symbolic link"):
        load(trained)


# Nothing that is read runs anything


def test_a_pickle_in_the_place_of_weights_is_not_loaded(trained: Storage, trap: Path) -> None:
    folder = state_folder(trained)
    shard, bomb = next(folder.glob("*.safetensors")), pickle.dumps(Bomb(trap))
    shard.write_bytes(bomb)
    with pytest.raises(InputError, match="checksum"):
        load(trained)
    mark = json.loads((folder / "state.json").read_text())  # whoever writes one writes the other
    mark["files"][shard.name] = {"bytes": len(bomb), "crc32": zlib.crc32(bomb)}
    (folder / "state.json").write_text(json.dumps(sealed(mark)))
    with pytest.raises(InputError, match="checksum"):  # that of a block, in the index
        load(trained)
    del mark["files"]["index.parquet"]  # as if an earlier version had written the state
    (folder / "state.json").write_text(json.dumps(sealed(mark)))
    with pytest.raises(InputError, match="not a state of this model"):
        load(trained)
    assert not trap.exists()


@pytest.mark.parametrize("file", ["state.json", "history.parquet"])
def test_a_pickle_in_the_place_of_a_states_other_files(
    trained: Storage, trap: Path, file: str
) -> None:
    bomb = pickle.dumps(Bomb(trap))
    (state_folder(trained) / file).write_bytes(bomb)
    if file == "state.json":
        with pytest.raises(InputError, match="not valid JSON"):
            load(trained)
    else:
        load(trained)  # weights do not need it
    assert not trap.exists()


@pytest.mark.parametrize("file", ["train/00000.npy", "train/00000.crc32.npy", "manifest.json"])
def test_a_pickle_in_the_place_of_a_shard(trained: Storage, trap: Path, file: str) -> None:
    array = io.BytesIO()
    np.save(array, np.array([Bomb(trap)] * 200, dtype=object), allow_pickle=True)
    for content in (array.getvalue(), pickle.dumps(Bomb(trap))):
        trained.write_bytes(f"corpora/new/{file}", content)
        with pytest.raises(InputError):
            read_a_row(trained)
    assert not trap.exists()


def test_a_checkpoint_of_pickles_is_no_model_to_start_from(tmp_path: Path, trap: Path) -> None:
    folder = tmp_path / "model"
    whole_model(ModelSpec(make_task().model.config), LENGTH, 0).model.config.save_pretrained(folder)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(trap)))
    with pytest.raises(InputError, match="safetensors"):
        read_start(str(folder), tmp_path)
    assert not trap.exists()


def test_a_model_brings_no_code(tmp_path: Path, trap: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "evil.py").write_text(f"import os\nos.mkdir({str(trap)!r})\n")
    config = {
        "model_type": "evil",
        "auto_map": {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="code of its own"):
        whole_model(ModelSpec(config, "identifier"), LENGTH, None)
    with pytest.raises(InputError, match="pretrained"):
        whole_model(ModelSpec({}, str(folder)), LENGTH, None)
    assert not trap.exists()


def tagged(trap: Path) -> list[str]:
    return [
        f"!!python/object/apply:os.mkdir ['{trap}']",
        f"!!python/object/new:os.mkdir ['{trap}']",
        "!!python/name:os.system ''",
        "!!python/module:os ''",
    ]


def test_yaml_with_python_tags_is_refused(tmp_path: Path, trap: Path) -> None:
    path, storage = write_recipe(tmp_path, recipe_data()), Storage(tmp_path / "root")
    for tag in tagged(trap):
        with pytest.raises(InputError, match="YAML"):
            define(path, [f"seed={tag}"])
        scale = tmp_path / "scale.yaml"
        scale.write_text(f"models: {tag}\n")
        with pytest.raises(InputError, match="YAML"):
            define(path, scale=str(scale))
        storage.write_bytes("sweeps/x/recipe.yaml", f"name: {tag}\n".encode())
        with pytest.raises(InputError, match="YAML"):
            stored_definition(storage, "x")
        tasks = tmp_path / "tasks"
        tasks.mkdir(exist_ok=True)
        (tasks / "t.yaml").write_text(f"task: {tag}\n")
        with pytest.raises(InputError, match="YAML"):
            requests([str(tasks)], storage, [], tmp_path)
        other = tmp_path / "tagged.yaml"
        other.write_text(yaml.safe_dump(recipe_data()) + f"seed: {tag}\n")
        with pytest.raises(InputError, match="YAML"):
            define(other)
    assert not trap.exists()


# Secrets


@pytest.mark.parametrize(
    "url",
    [
        "s3://AKIA:pa55word@bucket/x",
        "s3://AKIA:pa55/word@bucket",
        "s3://bucket/x?access_key=AKIA&secret_key=pa55word",
        "gs://user:pa55word@bucket",
        "s3://AKIApa55word@bucket/x",
    ],
)
def test_a_url_with_credentials_is_refused_and_not_repeated(url: str) -> None:
    corpora = {**recipe_data()["corpora"], "old": {"text": [url]}}
    attempts: list[Any] = [
        lambda: Storage(url),
        lambda: parse_recipe(recipe_data(corpora=corpora), WHERE),
    ]
    for attempt in attempts:
        with pytest.raises(InputError, match="credentials") as caught:
            attempt()
        assert "pa55" not in str(caught.value)
        assert "AKIA" not in str(caught.value)


def test_urls_without_credentials_pass() -> None:
    for url in (
        "s3://bucket/key@2",
        "s3://bucket/a:b",
        "gs://anonymous@bucket/x",
        "/a:b@c",
        "file:///a:b@c",
        "s3://bucket/x?endpoint_override=http://127.0.0.1:8333&scheme=http",
        "data/my:file@x.txt",
    ):
        refuse_secret(url, "storage")


# What listens


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_an_embedded_cluster_listens_on_loopback_alone() -> None:
    own = psutil.Process()
    listening = {
        (process.name(), connection.laddr.ip.removeprefix("::ffff:"))
        for process in [own, *own.children(recursive=True)]
        for connection in process.net_connections("inet")
        if connection.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)
    }
    assert len(listening) > 3, "none of Ray's servers was found"
    outside = {entry for entry in listening if not is_loopback(entry[1])}
    assert not outside


def is_loopback(address: str) -> bool:
    found = ipaddress.ip_address(address)
    mapped = getattr(found, "ipv4_mapped", None)  # ::ffff:127.0.0.1
    return (mapped or found).is_loopback
