"""Reading text: formats, compression, globs, units, and what is said of bad input."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raycl.data.prepare import TextSource
from raycl.data.prepare.inputs import find_files, plan_units
from raycl.data.prepare.readers import READERS, Reader, register
from raycl.data.prepare.readers.checks import decode
from raycl.data.prepare.readers.compression import open_unpacked
from raycl.data.prepare.source import Piece
from raycl.errors import InputError
from tests.helpers.corpus_text import read_all, texts, write_lines


@pytest.mark.parametrize("unit_bytes", [1, 7, 64, 1000, 10**6])
def test_json_lines_are_the_same_however_cut(tmp_path: Path, unit_bytes: int) -> None:
    documents = texts(20)
    path = write_lines(tmp_path / "a.jsonl", documents)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().rstrip(b"\n"))
    assert read_all(TextSource((str(path),)), unit_bytes) == documents


@pytest.mark.parametrize("unit_bytes", [1, 1000, 10**6])
def test_parquet_is_the_same_however_cut(tmp_path: Path, unit_bytes: int) -> None:
    documents = texts(50)
    table = pa.table({"n": range(50), "body": documents})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=7)
    source = TextSource((str(tmp_path / "a.parquet"),), text_field="body")
    assert read_all(source, unit_bytes) == documents


def test_compressed_files(tmp_path: Path) -> None:
    documents = texts(9)
    lines = [json.dumps({"text": text}).encode() + b"\n" for text in documents]
    (tmp_path / "a.jsonl.gz").write_bytes(b"".join(gzip.compress(line) for line in lines[:3]))
    (tmp_path / "b.jsonl.bz2").write_bytes(bz2.compress(b"".join(lines[3:6])))
    with pa.CompressedOutputStream(str(tmp_path / "c.jsonl.zst"), "zstd") as stream:
        stream.write(b"".join(lines[6:]))
    assert read_all(TextSource((str(tmp_path),)), 10) == documents


def test_text_files_are_documents_or_hold_separated_ones(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\n\ntwo")
    (tmp_path / "b.txt").write_text("\ufeffthree\n\n  \n\n")
    source = (str(tmp_path / "*.txt"),)
    assert read_all(TextSource(source)) == ["one\n\n\ntwo", "three\n\n  \n\n"]
    assert read_all(TextSource(source, document_separator="\n\n")) == ["one", "\ntwo", "three"]


class Poems(Reader):
    """A toy format: a poem a line, its lines divided by slashes."""

    name = "poems"
    suffixes = (".poems",)

    def documents(self, source: TextSource, piece: Piece) -> Iterator[str]:  # noqa: ARG002
        with open_unpacked(piece.file) as stream:
            for line in stream:
                yield decode(line).strip().replace(" / ", "\n")


def test_a_new_format_is_one_reader(tmp_path: Path) -> None:
    (tmp_path / "a.poems").write_text("roses are red / violets are blue\n\nand so on\n")
    (tmp_path / "b.poems.gz").write_bytes(gzip.compress(b"the end"))
    (tmp_path / "c.txt").write_text("prose / text")
    source = TextSource((str(tmp_path),))
    register(Poems())
    try:
        found = read_all(source, 10)
        named = read_all(TextSource((f"{tmp_path}/c.txt",), format="poems"))
        for taken in (Poems, type("Other", (Poems,), {"name": "other"})):
            with pytest.raises(ValueError, match="two readers"):
                register(taken())
    finally:
        del READERS["poems"]
    assert found == ["roses are red\nviolets are blue", "and so on", "the end", "prose / text"]
    assert named == ["prose\ntext"]
    with pytest.raises(InputError, match=r"unknown suffix '\.poems'. Use \.jsonl, .* set `format`"):
        read_all(source)
    with pytest.raises(InputError, match=r"format 'poems': there is no such .* Use auto, jsonl"):
        read_all(TextSource((f"{tmp_path}/c.txt",), format="poems"))


def test_globs_and_folders(tmp_path: Path) -> None:
    for name in ("a.txt", "x/b.txt", "x/y/c.txt", "x/.hidden/d.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)

    def names(pattern: str) -> list[str]:
        return read_all(TextSource((f"{tmp_path}/{pattern}",)))

    assert names("") == names("**/*.txt") == names("**") == ["a.txt", "x/b.txt", "x/y/c.txt"]
    assert names("*.txt") == ["a.txt"]
    assert names("x/*.txt") == ["x/b.txt"]
    assert names("[ab].txt") == ["a.txt"]
    assert read_all(TextSource((f"file://{tmp_path}/x/?.txt",))) == ["x/b.txt"]


GOOD = b'{"text": "fine"}\n'


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", GOOD * 2 + b"{nope\n", r"a\.jsonl line 3: not valid JSON"),
        ("a.jsonl", GOOD + b'{"body": ""}\n', r"line 2: there is no field 'text' \(it has body\)"),
        ("a.jsonl", GOOD + b'{"text": null}\n', r"line 2: field 'text' is null, not text"),
        ("a.jsonl", GOOD + b"[1]\n", r"line 2: not a JSON object"),
        ("a.jsonl", GOOD + b'{"text": "\\ud800"}', r"line 2: .* surrogate"),
        (
            "a.jsonl",
            GOOD + b'{"text": "\xff"}\n',
            r"line 2: .* UTF-8 \(byte 0xff at offset 27\)",
        ),
        ("a.txt", b"one\ntwo\n\xfe", r"a\.txt line 3: not valid UTF-8 \(byte 0xfe at offset 8\)"),
        ("a.doc", b"text", r"a\.doc: unknown suffix '\.doc'"),
        ("a.parquet", b"no parquet", r"a\.parquet: not a Parquet file"),
        (
            "a.txt.gz",
            gzip.compress(b"text" * 99, mtime=0)[:-9],
            r"a\.txt\.gz after line 0: it cannot be read",
        ),
    ],
)
def test_bad_input_names_file_and_line(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    for unit_bytes in (1, 2**25):
        with pytest.raises(InputError, match=message):
            read_all(TextSource((f"{tmp_path}/{name}",)), unit_bytes)


def test_bad_parquet_names_column_and_row(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a", "b", None, "c"]}), path, row_group_size=2)
    with pytest.raises(InputError, match=r"a\.parquet row 2: field 'text' is null"):
        read_all(TextSource((str(path),)), 1)
    with pytest.raises(InputError, match=r"no column 'body'. Set `text_field` to one of text"):
        read_all(TextSource((str(path),), text_field="body"))


def test_json_documents_and_lines_in_json_files(tmp_path: Path) -> None:
    one, two = {"text": "one", "n": [1]}, {"text": "two"}
    for name, content in {
        "a": json.dumps([one, two]),
        "b": json.dumps([one, two], indent=1),
        "c": json.dumps(one) + "\n\n" + json.dumps(two) + "\n",
        "d": "\n" + json.dumps(one, indent=2),
        "e": "\ufeff" + json.dumps([two]),
        "f": json.dumps(two),
        "g": "[]",
    }.items():
        (tmp_path / f"{name}.json").write_text(content)
    (tmp_path / "z.json.gz").write_bytes(gzip.compress(json.dumps([one]).encode()))
    expected = ["one", "two"] * 3 + ["one", "two", "two", "one"]
    for unit_bytes in (1, 10**6):
        assert read_all(TextSource((str(tmp_path),)), unit_bytes) == expected
    large = tmp_path / "large.json"
    large.write_text("".join(json.dumps({"text": str(n)}) + "\n" for n in range(50)))
    source = TextSource((str(large),))
    assert read_all(source, 100) == [str(n) for n in range(50)]
    assert len(plan_units(source, find_files(source), 100)[0]) > 5


def test_files_of_every_compression(tmp_path: Path) -> None:
    (tmp_path / "a.TXT.XZ").write_bytes(lzma.compress(b"a") + lzma.compress(b"b"))
    for number, (suffix, codec) in enumerate((("zst", "zstd"), ("lz4", "lz4"), ("gz", "gzip"))):
        with pa.CompressedOutputStream(str(tmp_path / f"{number}.txt.{suffix}"), codec) as stream:
            stream.write(codec.encode())
    assert read_all(TextSource((str(tmp_path),))) == ["zstd", "lz4", "gzip", "ab"]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([1, 2]), r"a\.parquet: column 'text' holds int64, not text"),
        (pa.array([b"a", b"b"]), r"column 'text' holds binary, not text"),
        (pa.array([["a"], ["b"]]), r"column 'text' holds list<.*>, not text"),
        (pa.array([{"text": "a"}] * 2), r"column 'text' holds struct<.*>, not text"),
        (pa.nulls(2), r"row 0: field 'text' is null, not text"),
        (pa.array(["a", None]), r"row 1: field 'text' is null, not text"),
    ],
)
def test_a_column_that_is_no_text(tmp_path: Path, column: pa.Array, message: str) -> None:
    pq.write_table(pa.table({"text": column}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=message):
        read_all(TextSource((str(tmp_path),)))


def test_columns_of_text(tmp_path: Path) -> None:
    texts = pa.array(["one", "two"])
    for number, kind in enumerate(
        (pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string()))
    ):
        pq.write_table(pa.table({"text": texts.cast(kind)}), tmp_path / f"{number}.parquet")
    assert read_all(TextSource((str(tmp_path),))) == ["one", "two"] * 3


def test_parquet_that_is_not_utf8_names_the_row(tmp_path: Path) -> None:
    broken = pa.array([b"fine", b"\xff"]).view(pa.string())
    pq.write_table(pa.table({"text": broken}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet row 1: not valid UTF-8 \(byte 0xff\)"):
        read_all(TextSource((str(tmp_path),)))


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], ["text", "text"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match="2 columns are called 'text'"):
        read_all(TextSource((str(tmp_path),)))


def test_checksums_of_parquet_pages_are_verified(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"text": [f"{n:08d} document" for n in range(2000)]})
    pq.write_table(
        table, path, compression="none", use_dictionary=False, write_page_checksum=True,
        row_group_size=500,
    )  # fmt: skip
    data = bytearray(path.read_bytes())
    data[data.index(b"00001234 document")] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.parquet at or after row \d+: .*CRC"):
        read_all(TextSource((str(path),)))


def test_no_files_match(tmp_path: Path) -> None:
    for pattern in (f"{tmp_path}/*.txt", f"{tmp_path}/missing.txt", f"{tmp_path}/no/**/*.txt"):
        with pytest.raises(InputError, match="no files match"):
            find_files(TextSource((pattern,)))


@pytest.mark.parametrize("before", [b"", b"\n \n" * 3000, b"\xef\xbb\xbf"])
def test_the_kind_of_a_json_file_is_known_from_its_beginning(
    tmp_path: Path, before: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = [{"text": f"{n} " + "x" * 9000} for n in range(300)]
    (tmp_path / "list.json").write_bytes(before + json.dumps(long).encode())
    lines = "".join(json.dumps(record) + "\n" for record in long).encode()
    (tmp_path / "lines.json").write_bytes(before + lines)
    lengths: list[int] = []
    loads = json.loads

    def noting(data: bytes) -> Any:
        lengths.append(len(data))
        return loads(data)

    monkeypatch.setattr("raycl.data.prepare.readers.json_document.json.loads", noting)
    for name, pieces in (("list", 1), ("lines", 3)):
        source = TextSource((f"{tmp_path}/{name}.json",))
        units, _ = plan_units(source, find_files(source), 2**20)
        assert sum(map(len, units)) == pieces
    assert max(lengths) < 10_000
