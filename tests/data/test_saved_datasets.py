"""Folders that `save_to_disk` of Hugging Face's datasets writes, read without that library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from raycl.data.prepare import TextSource
from raycl.data.prepare.source import DatasetChoice
from raycl.errors import InputError
from tests.helpers.corpus_text import read_all


def write_arrow(path: Path, table: pa.Table, rows: int = 2, file: bool = False) -> None:
    """The table as an Arrow stream, or as a file for random access, in batches of so many rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = (pa.ipc.new_file if file else pa.ipc.new_stream)(str(path), table.schema)
    with writer:
        writer.write_table(table, max_chunksize=rows)


def save(folder: Path, *shards: list[str], **state: Any) -> Path:
    """A saved dataset as the library writes it, one file a shard."""
    names = [f"data-{n:05d}-of-{len(shards):05d}.arrow" for n in range(len(shards))]
    for name, texts in zip(names, shards, strict=True):
        write_arrow(folder / name, pa.table({"id": range(len(texts)), "text": texts}))
    listed = {"_data_files": [{"filename": name} for name in names], "_split": None, **state}
    (folder / "state.json").write_text(json.dumps(listed))
    (folder / "dataset_info.json").write_text("{}")
    return folder


def save_splits(folder: Path, **splits: list[str]) -> Path:
    for name, texts in splits.items():
        save(folder / name, texts)
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(splits)}))
    return folder


def dataset(folder: Path | str, split: str | None = None, **settings: Any) -> TextSource:
    return TextSource((str(folder),), dataset=DatasetChoice(split), **settings)


def test_a_saved_dataset_is_read_as_text_and_as_a_dataset(tmp_path: Path) -> None:
    folder = save(tmp_path / "saved", ["a", "b", "c"], ["d"])
    for source in (TextSource((str(folder),)), dataset(folder), TextSource((f"file://{folder}",))):
        for unit_bytes in (1, 10**6):
            assert read_all(source, unit_bytes) == ["a", "b", "c", "d"]


def test_what_lies_beside_the_listed_files_is_not_read(tmp_path: Path) -> None:
    folder = save(tmp_path / "saved", ["a"])
    for name in ("cache-0123.arrow", "data-00000-of-00002.arrow", "data-00001-of-00002.arrow"):
        write_arrow(folder / name, pa.table({"text": ["stale"]}))
    assert read_all(dataset(folder)) == read_all(TextSource((str(folder),))) == ["a"]
    assert "stale" in read_all(TextSource((f"{folder}/data-*.arrow",)))


def test_a_split_is_chosen(tmp_path: Path) -> None:
    folder = save_splits(tmp_path / "splits", train=["a"], test=["b"])
    assert read_all(dataset(folder, "test")) == ["b"]
    assert read_all(TextSource((f"{folder}/train",))) == ["a"]
    assert read_all(dataset(save_splits(tmp_path / "one", train=["c"]))) == ["c"]
    for source in (dataset(folder), TextSource((str(folder),))):
        with pytest.raises(InputError, match=r"the splits train, test\. Choose one: `dataset"):
            read_all(source)
    with pytest.raises(InputError, match=r"split 'dev': .* no such split\. Use one of train, test"):
        read_all(dataset(folder, "dev"))
    single = save(tmp_path / "saved", ["a"], _split="train")
    assert read_all(dataset(single, "train")) == ["a"]
    with pytest.raises(InputError, match=r"is one saved dataset, of the split 'train'\. Leave"):
        read_all(dataset(single, "test"))


def test_a_missing_or_foreign_shard_is_an_error(tmp_path: Path) -> None:
    folder = save(tmp_path / "saved", ["a"], ["b"])
    (folder / "data-00001-of-00002.arrow").unlink()
    with pytest.raises(InputError, match=r"00001-of-00002\.arrow: a file of a dataset is missing"):
        read_all(dataset(folder))
    for names in ([{"filename": "../x.arrow"}], [{"filename": 3}], [3], 3):
        (folder / "state.json").write_text(json.dumps({"_data_files": names}))
        with pytest.raises(
            InputError, match=r"lists something that lies elsewhere|state\.json lists no files"
        ):
            read_all(dataset(folder))
    save(folder, ["a"], _indices_data_files=[{"filename": "indices.arrow"}])
    with pytest.raises(InputError, match="a selection of those in its files"):
        read_all(dataset(folder))


@pytest.mark.parametrize("name", ["../other", "..", "", "a/b", "a\\b"])
def test_a_list_of_splits_cannot_lead_elsewhere(tmp_path: Path, name: str) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "dataset_dict.json").write_text(json.dumps({"splits": [name]}))
    with pytest.raises(InputError, match="lists something that lies elsewhere"):
        read_all(dataset(tmp_path / "saved"))


def test_another_state_json_is_no_dataset(tmp_path: Path) -> None:
    for content in ("{}", "[]", "no json", '{"splits": 3}'):
        (tmp_path / "state.json").write_text(content)
        (tmp_path / "a.txt").write_text("text")
        assert read_all(TextSource((str(tmp_path),))) == ["text"]


def test_columns_of_a_saved_dataset(tmp_path: Path) -> None:
    table = pa.table({"n": [1], "text": [{"body": "a", "lang": "de"}]})
    write_arrow(tmp_path / "a.arrow", table)
    assert read_all(TextSource((str(tmp_path),), text_field="text.body")) == ["a"]
    with pytest.raises(InputError, match=r"a\.arrow: there is no column 'x'.* text\.body, text\.l"):
        read_all(TextSource((str(tmp_path),), text_field="x"))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_arrow_streams_and_files(tmp_path: Path, kind: pa.DataType) -> None:
    documents = [f"{n} text" for n in range(7)]
    table = pa.table({"text": pa.array(documents).cast(kind)})
    for file in (False, True):
        write_arrow(tmp_path / f"{file}.arrow", table, rows=3, file=file)
    assert read_all(TextSource((str(tmp_path),))) == documents * 2


def test_bad_rows_of_arrow_files(tmp_path: Path) -> None:
    broken = pa.array([b"a", b"b", b"c", b"\xff", None, b"d"]).view(pa.string())
    write_arrow(tmp_path / "a.arrow", pa.table({"text": broken}))
    with pytest.raises(InputError, match=r"a\.arrow row 3: not valid UTF-8 \(byte 0xff\)"):
        read_all(TextSource((str(tmp_path),)))
    found = read_all(TextSource((str(tmp_path),), on_bad_record="skip"))
    assert found == ["a", "b", "c", "d"]


@pytest.mark.parametrize("file", [False, True])
def test_damaged_arrow_files_are_errors(tmp_path: Path, file: bool) -> None:
    path = tmp_path / "a.arrow"
    write_arrow(path, pa.table({"text": ["x" * 100] * 50}), rows=10, file=file)
    whole = path.read_bytes()
    source = TextSource((str(path),), on_bad_record="skip")
    for size in (0, 5, 100, len(whole) // 2):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"a\.arrow at or after row \d+: it cannot be read"):
            read_all(source)


def test_offsets_outside_of_their_buffer_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    write_arrow(path, pa.table({"text": ["abcd", "efgh", "ijkl"]}), rows=3)
    offsets = b"".join(n.to_bytes(4, "little") for n in (0, 4, 8, 12))
    assert path.read_bytes().count(offsets) == 1
    wrong = b"".join(n.to_bytes(4, "little") for n in (0, 4_000_000, 8, 12))
    path.write_bytes(path.read_bytes().replace(offsets, wrong))
    with pytest.raises(InputError, match="it cannot be read"):
        read_all(TextSource((str(path),)))


def test_what_the_library_writes(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    made = datasets.Dataset.from_dict({"text": ["a", "b", "c", "d"], "n": [1, 2, 3, 4]})
    made.select([3, 1]).save_to_disk(tmp_path / "selected")
    assert read_all(dataset(tmp_path / "selected")) == ["d", "b"]
    splits = datasets.DatasetDict(train=made, test=made.select([0]))
    splits.save_to_disk(tmp_path / "splits", num_shards={"train": 3, "test": 1})
    assert sorted(read_all(dataset(tmp_path / "splits", "train"))) == ["a", "b", "c", "d"]
    loaded = datasets.load_from_disk(str(tmp_path / "splits"))["test"]
    loaded.map(lambda row: {"text": row["text"] * 2})  # leaves a cache beside the data
    assert read_all(dataset(tmp_path / "splits", "test")) == ["a"]
