"""Text of every format and compression, from this machine and from object stores."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raycl.data.prepare import TextSource
from raycl.data.prepare.inputs import find_inputs
from raycl.data.prepare.source import DatasetChoice
from raycl.errors import InputError
from raycl.storage import Storage
from tests.helpers.corpus_text import read_all


def _by_pyarrow(codec: str) -> Callable[[bytes], bytes]:
    def pack(data: bytes) -> bytes:
        packed = pa.BufferOutputStream()
        with pa.CompressedOutputStream(packed, codec) as stream:
            stream.write(data)
        return bytes(packed.getvalue())

    return pack


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": _by_pyarrow("zstd"),
    ".lz4": _by_pyarrow("lz4"),
}
TABLE = pa.table({"text": ["one", "two"]})


def parquet() -> bytes:
    stream = pa.BufferOutputStream()
    pq.write_table(TABLE, stream)
    return bytes(stream.getvalue())


def arrow() -> bytes:
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, TABLE.schema) as writer:
        writer.write_table(TABLE)
    return bytes(stream.getvalue())


@pytest.fixture(scope="module")
def place(any_new_storage: Callable[[], Storage]) -> str:
    """The URL of a folder with text of all kinds, and what other programs leave beside it."""
    storage = any_new_storage()
    lines = b'{"text": "one"}\n{"text": "two"}\n'
    formats = {"jsonl": lines, "json": json.dumps([{"text": "one"}, {"text": "two"}]).encode()}
    for suffix, pack in PACKED.items():
        for name, data in {**formats, "txt": b"one\n--\ntwo"}.items():
            storage.write_bytes(f"text/{name}/a.{name}{suffix}", pack(data))
    for name, data in (("parquet", parquet()), ("arrow", arrow())):
        storage.write_bytes(f"text/{name}/a.{name}", data)
    for name in ("_SUCCESS", "README.md", ".hidden/b.txt", "_temporary/b.txt"):
        storage.write_bytes(f"text/txt/{name}", b"no text")
    for split in ("train", "test"):
        storage.write_bytes(f"saved/{split}/data-0.arrow", arrow())
        storage.write_bytes(f"saved/{split}/cache-1.arrow", b"no data")
        state = {"_data_files": [{"filename": "data-0.arrow"}]}
        storage.write_bytes(f"saved/{split}/state.json", json.dumps(state).encode())
    storage.write_bytes("saved/dataset_dict.json", b'{"splits": ["train", "test"]}')
    return storage.full_path("")


@pytest.mark.parametrize("unit_bytes", [5, 10**6])
def test_every_format_and_compression(place: str, unit_bytes: int) -> None:
    for name in ("jsonl", "json", "txt"):
        source = TextSource((f"{place}/text/{name}",), document_separator="\n--\n")
        assert read_all(source, unit_bytes) == ["one", "two"] * len(PACKED)
    for name in ("parquet", "arrow"):
        assert read_all(TextSource((f"{place}/text/{name}",)), unit_bytes) == ["one", "two"]


def test_markers_and_hidden_files_are_passed_over(place: str) -> None:
    found = find_inputs(TextSource((f"{place}/text/txt",)))
    assert len(found.files) == len(PACKED)
    names = {path.rpartition("/")[2] for path in found.ignored}
    assert names == {"_SUCCESS", "README.md", "_temporary"}


def test_a_saved_dataset(place: str) -> None:
    for source in (
        TextSource((f"{place}/saved",), dataset=DatasetChoice("test")),
        TextSource((f"{place}/saved/test",)),
        TextSource((f"{place}/saved/*/*.arrow",)),
    ):
        assert set(read_all(source)) == {"one", "two"}
    with pytest.raises(InputError, match="the splits train, test"):
        find_inputs(TextSource((f"{place}/saved",)))
    with pytest.raises(InputError, match="no dataset that `save_to_disk` wrote"):
        find_inputs(TextSource((f"{place}/none",), dataset=DatasetChoice()))
