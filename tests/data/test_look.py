"""A look into text tells its size, its documents and its fields by its beginning."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raycl.data.fields import text_fields
from raycl.data.look import look
from raycl.data.prepare.inputs import find_files
from raycl.data.prepare.source import TextSource
from raycl.errors import InputError
from tests.helpers.corpus_text import texts, write_lines

DOCUMENTS = texts(4000)
BYTES = sum(len(text.encode()) for text in DOCUMENTS)


def source(path: Path, field: str = "text") -> TextSource:
    return TextSource((str(path),), field)


@pytest.mark.parametrize("kind", ["jsonl", "gzip", "parquet", "json"])
def test_size_and_documents_are_near_the_truth(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write_lines(path, DOCUMENTS)
    if kind == "gzip":
        (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    elif kind == "parquet":
        path.unlink()
        pq.write_table(pa.table({"text": DOCUMENTS}), tmp_path / "a.parquet", row_group_size=500)
    elif kind == "json":
        path.unlink()
        (tmp_path / "a.json").write_text(json.dumps([{"text": text} for text in DOCUMENTS]))
    seen = look(source(tmp_path))
    assert seen.files == 1
    assert seen.bytes == pytest.approx(BYTES, rel=0.5 if kind == "gzip" else 0.12)
    assert seen.documents == pytest.approx(4000, rel=0.5 if kind == "gzip" else 0.12)
    assert not seen.plain
    assert seen.bytes_per_token(len) == pytest.approx(1.05, abs=0.1)


def test_other_fields_do_not_count_as_text(tmp_path: Path) -> None:
    lines = [json.dumps({"text": text, "noise": "x" * 300}) for text in DOCUMENTS]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    assert look(source(tmp_path)).bytes == pytest.approx(BYTES, rel=0.12)


def test_plain_text_is_a_document_a_file(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number}.txt").write_text(DOCUMENTS[number])
    seen = look(source(tmp_path))
    assert (seen.files, seen.documents, seen.plain) == (30, 30, True)


def test_where_there_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("  \n")
    with pytest.raises(InputError, match="there is no text in it"):
        look(source(tmp_path))


def test_fields_are_those_that_hold_text_the_longest_first(tmp_path: Path) -> None:
    record = {"id": 3, "title": "a", "body": "b" * 50, "tags": ["x"]}
    (tmp_path / "a.jsonl").write_text(f"{json.dumps(record)}\n" * 30)
    assert text_fields(find_files(source(tmp_path / "a.jsonl"))) == ("body", "title")
    (tmp_path / "a.json").write_text(json.dumps([record, record], indent=1))
    assert text_fields(find_files(source(tmp_path / "a.json"))) == ("body", "title")
    (tmp_path / "a.txt").write_text("text")
    assert text_fields(find_files(source(tmp_path / "a.txt"))) == ()


def test_columns_of_parquet(tmp_path: Path) -> None:
    table = pa.table({"n": [1, 2], "short": ["a", "b"], "long": ["c" * 200, "d" * 300]})
    pq.write_table(table, tmp_path / "a.parquet", compression="none")
    assert text_fields(find_files(source(tmp_path / "a.parquet"))) == ("long", "short")


def test_damaged_records_are_left_to_preparation(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": \n[1, 2]\n')
    assert text_fields(find_files(source(tmp_path))) == ()
    (tmp_path / "b.parquet").write_text("no")
    with pytest.raises(InputError, match="cannot be read"):
        text_fields(find_files(source(tmp_path / "b.parquet")))
