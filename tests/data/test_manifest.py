"""Manifests with and without a format, and what a corpus is bound to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from raycl.data.binding import bind, check_binding, is_bound
from raycl.data.manifest import content_fingerprint, has_manifest, load_manifest
from raycl.errors import InputError
from raycl.storage import Storage
from raycl.storage.record import sealed
from tests.helpers.fakes import make_corpus

PATH = "corpora/new/manifest.json"
BINDING = "bindings/new.json"


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    storage = Storage(tmp_path)
    make_corpus(storage, "new")
    return storage


def test_a_manifest_without_a_format_is_read(storage: Storage) -> None:
    manifest, content = load_manifest(storage, "corpora/new"), storage.read_json(PATH)
    assert content.pop("format") == 2
    del content["crc32"]
    storage.write_json(PATH, content)
    assert load_manifest(storage, "corpora/new") == manifest
    assert set(content) == {
        "name",
        "tokenizer",
        "vocabulary",
        "dtype",
        "row_length",
        "seed",
        "source",
        "train",
        "validation",
        "fingerprint",
    }


@pytest.mark.parametrize("field", ["vocabulary", "validation.bytes", "validation.tokens", "seed"])
@pytest.mark.parametrize("written", [1, 2])
def test_a_flipped_bit_that_no_fingerprint_covers_is_found(
    storage: Storage, field: str, written: int
) -> None:
    content = sealed(storage.read_json(PATH) | {"format": written})
    storage.write_json(PATH, content)
    load_manifest(storage, "corpora/new")
    *above, last = field.split(".")
    part = content[above[0]] if above else content
    part[last] += 1
    storage.write_json(PATH, content)
    with pytest.raises(InputError, match=r"manifest\.json: it does not match its checksum"):
        load_manifest(storage, "corpora/new")


def test_a_manifest_of_a_newer_raycl_is_refused(storage: Storage) -> None:
    storage.write_json(PATH, {"format": 3, "rows": 1})
    with pytest.raises(InputError, match="the manifest of a corpus in format 3") as caught:
        load_manifest(storage, "corpora/new")
    assert caught.value.remedy == "Use the raycl that wrote it, or a newer one"


def test_the_fingerprint_of_known_content_stays(storage: Storage) -> None:
    """Names of states depend on it: another one would train everything anew."""
    manifest = load_manifest(storage, "corpora/new")
    assert manifest.fingerprint == content_fingerprint(manifest)
    assert manifest.fingerprint.startswith("cab328a28a3c688e")


def test_a_corpus_is_there_with_its_manifest(storage: Storage) -> None:
    assert has_manifest(storage, "corpora/new")
    storage.write_bytes("corpora/old/train/00000.npy", b"shards alone are no corpus")
    assert not has_manifest(storage, "corpora/old")


def test_a_binding_holds_the_first_content(storage: Storage) -> None:
    check_binding(storage, "new", "anything")
    assert not is_bound(storage, "new")
    bind(storage, "new", "first")
    bind(storage, "new", "second")
    check_binding(storage, "new", "first")
    with pytest.raises(InputError, match=r"corpus 'new' in .*: it has changed since .*first then"):
        check_binding(storage, "new", "second")


def test_a_binding_without_a_format_is_read(storage: Storage) -> None:
    storage.write_json(BINDING, {"fingerprint": "first"})
    with pytest.raises(InputError, match="it has changed since"):
        check_binding(storage, "new", "second")


@pytest.mark.parametrize("content", [None, [], {}, {"fingerprint": 3}], ids=json.dumps)
def test_a_damaged_binding_is_refused(storage: Storage, content: object) -> None:
    storage.write_json(BINDING, content)
    with pytest.raises(InputError, match=r"bindings/new\.json: not the binding"):
        check_binding(storage, "new", "first")
