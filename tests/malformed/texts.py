"""Text that cannot be read: files, lines, rows of Parquet."""

from __future__ import annotations

import bz2
import gzip
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.helpers.corpus_text import texts
from tests.helpers.workspace import recipe, write
from tests.malformed.case import Malformed

_LINES = [json.dumps({"text": text}).encode() for text in texts(80, seed=1)]


def _corpus(text: Any, **fields: Any) -> Callable[[Path], None]:
    """A change of the recipe: the corpus `old` is read from elsewhere."""

    def change(folder: Path) -> None:
        data = recipe()
        data["corpora"]["old"] = {"text": text, "validation": "20%", **fields}
        write(folder, data)

    return change


def _file(name: str, data: bytes, **fields: Any) -> Callable[[Path], None]:
    """A change: the corpus `old` is read from this file alone."""

    def change(folder: Path) -> None:
        (folder / "text" / name).write_bytes(data)
        _corpus(f"text/{name}", **fields)(folder)

    return change


def _lines(bad: bytes) -> bytes:
    """Sixty good lines, of which the eleventh is replaced."""
    return b"\n".join([*_LINES[:10], bad, *_LINES[11:60]]) + b"\n"


def malformed_texts() -> Iterator[Malformed]:
    """All of them."""
    yield from _places()
    yield from _json_lines()
    yield from _plain_text()
    yield from _compressed()
    yield from _parquet()


def _places() -> Iterator[Malformed]:
    def made(make: Callable[[Path], object], text: str) -> Callable[[Path], None]:
        def change(folder: Path) -> None:
            make(folder / "text")
            _corpus(text)(folder)

        return change

    yield Malformed("an empty folder", made(lambda t: (t / "e").mkdir(), "text/e"), ("text/e",))

    def only_markers(folder: Path) -> None:
        (folder / "m").mkdir()
        (folder / "m/_SUCCESS").touch()

    yield Malformed("only markers", made(only_markers, "text/m"), ("text/m",))
    yield Malformed(
        "a named pipe", made(lambda t: os.mkfifo(t / "p.jsonl"), "text/p.jsonl"), ("p.jsonl",)
    )
    yield Malformed(
        "a link to nowhere",
        made(lambda t: (t / "l.jsonl").symlink_to("nowhere"), "text/l.jsonl"),
        ("l.jsonl",),
    )
    yield Malformed(
        "a link to itself",
        made(lambda t: (t / "l.jsonl").symlink_to("l.jsonl"), "text/l.jsonl"),
        ("l.jsonl",),
    )
    yield Malformed("a pattern without a file", _corpus("text/part-[!0-9].jsonl"), ("part-",))
    yield Malformed(
        "a pattern for files that matches folders",
        made(lambda t: (t / "lang=de").mkdir(), "text/lang=*"),
        ("folders (lang=de)", "text/lang=*/**"),
    )
    yield Malformed("a bucket of nobody", _corpus("klingon://bucket/x.jsonl"), ("klingon",))
    yield Malformed("a PDF", _file("a.pdf", b"%PDF-1.4"), ("a.pdf",))
    yield Malformed("a picture", _file("a.png", b"\x89PNG"), ("a.png",))
    yield Malformed("an empty file", _file("a.jsonl", b""), ("old",))
    yield Malformed("only blank lines", _file("a.jsonl", b"\n\n \n"), ("old",))
    yield Malformed("an unknown format", _file("a.jsonl", _LINES[0], format="klingon"), ("format",))


def _json_lines() -> Iterator[Malformed]:
    deep = b'{"text": "a", "meta": ' + b"[" * 5_000 + b"]" * 5_000 + b"}"
    for name, bad in {
        "no JSON": b"klingon",
        "cut": b'{"text": "a',
        "single quotes": b"{'text': 'a'}",
        "a list": b'["a"]',
        "a number": b"7",
        "null": b"null",
        "another field": b'{"body": "a"}',
        "a field that is null": b'{"text": null}',
        "a field twice": b'{"text": "a", "text": "b"}',
        "a field twice, once escaped": b'{"text": "a", "te\\u0078t": "a"}',
        "a field that is a number": b'{"text": 7}',
        "a field that is a list": b'{"text": ["a"]}',
        "a field that is a mapping": b'{"text": {"a": "b"}}',
        "half a surrogate pair": b'{"text": "\\ud800"}',
        "no UTF-8": b'{"text": "\xff"}',
        "Latin-1": '{"text": "größer"}'.encode("latin-1"),
        "UTF-16": '{"text": "a"}'.encode("utf-16"),
        "a NUL": b'\0{"text": "a"}',
        "nested 5,000 deep": deep,
        "a number of 5,000 digits": b'{"text": "a", "n": ' + b"9" * 5_000 + b"}",
        "two objects": b'{"text": "a"} {"text": "b"}',
        "an escape that is none": b'{"text": "\\x41"}',
        "a tab in a string": b'{"text": "a\tb"}',
    }.items():
        yield Malformed(f"line: {name}", _file("a.jsonl", _lines(bad)), ("a.jsonl", "line 11"))


def _plain_text() -> Iterator[Malformed]:
    for name, data in {
        "no UTF-8": b"good\nbad \xff\n",
        "UTF-16": "some text".encode("utf-16"),
        "cut in a character": "größer".encode()[:-3],
    }.items():
        yield Malformed(f"text: {name}", _file("a.txt", data), ("a.txt",))


def _compressed() -> Iterator[Malformed]:
    whole = gzip.compress(_lines(_LINES[10]))
    for name, file, data in (
        ("gzip that is text", "a.jsonl.gz", _lines(_LINES[10])),
        ("gzip cut in half", "a.jsonl.gz", whole[: len(whole) // 2]),
        ("gzip without its end", "a.jsonl.gz", whole[:-4]),
        ("gzip with a flipped bit", "a.jsonl.gz", _flipped(whole, len(whole) // 2)),
        ("empty gzip", "a.jsonl.gz", b""),
        ("zstd that is gzip", "a.jsonl.zst", whole),
        ("bz2 that is cut", "a.jsonl.bz2", bz2.compress(_lines(_LINES[10]))[:-20]),
        ("no JSON in gzip", "a.jsonl.gz", gzip.compress(_lines(b"klingon"))),
    ):
        yield Malformed(name, _file(file, data), (file,))


def _flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def _parquet() -> Iterator[Malformed]:
    def table(values: list[Any], kind: pa.DataType | None = None, name: str = "text") -> bytes:
        return _parquet_bytes(pa.table({name: pa.array(values, kind)}))

    good = _parquet_bytes(pa.table({"text": texts(60, seed=1)}))
    for name, data in {
        "text": b"some text",
        "empty": b"",
        "only the magic": b"PAR1PAR1",
        "cut in half": good[: len(good) // 2],
        "no end": good[:-4],
        "no footer": good[:4] + good[-8:],
        "a flipped bit in a page": _flipped(good, 200),
        "a footer of another length": good[:-8] + b"\xff\xff\xff\x7f" + good[-4:],
        "a column of numbers": table(list(range(60))),
        "a column of lists": table([["a"]] * 60),
        "a column of null": table([None] * 60, pa.string()),
        "one null": table(["a"] * 30 + [None] + ["b"] * 29),
        "another column": table(["a"] * 60, name="body"),
        "bytes that are no UTF-8": table([b"\xff"] * 60, pa.binary()),
    }.items():
        yield Malformed(f"Parquet: {name}", _file("a.parquet", data), ("a.parquet",))


def _parquet_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, write_page_checksum=True, compression="none")
    return bytes(sink.getvalue())
