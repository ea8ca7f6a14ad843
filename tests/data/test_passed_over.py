"""Records that cannot be read, and documents without content: passed over, counted, told."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raycl.data.manifest import load_manifest
from raycl.data.prepare import CorpusSpec, TextSource, check_origin, prepare_corpus
from raycl.data.prepare.documents import read_documents
from raycl.data.prepare.inputs import find_files, plan_units
from raycl.data.prepare.passed_over import Tally, told, total_passed_over
from raycl.data.prepare.sample import read_sample
from raycl.errors import InputError
from raycl.storage import Storage
from tests.helpers.corpus_text import read_all, write_lines

GOOD = b'{"text": "fine"}\n'
BAD = (
    b"{nope\n",
    b'{"body": "x"}\n',
    b'{"text": null}\n',
    b'{"text": 3}\n',
    b'{"text": "\xff"}\n',
    b"[1]\n",
    b'{"text": "\\ud800"}\n',
    b'{"text": "a", "text": "b"}\n',
)
REASONS = {
    "not JSON": 2,
    "no such field": 1,
    "null": 1,
    "not text": 1,
    "not UTF-8": 2,
    "a field twice": 1,
}


def skipping(path: Path, **settings: str) -> TextSource:
    return TextSource((str(path),), on_bad_record="skip", **settings)  # type: ignore[arg-type]


def counted(source: TextSource, unit_bytes: int = 2**25) -> tuple[list[str], dict[str, object]]:
    """The documents, and what was passed over, unit by unit as tasks count it."""
    found, parts = [], []
    for unit in plan_units(source, find_files(source), unit_bytes)[0]:
        tally = Tally()
        found += list(read_documents(source, unit, tally))
        parts.append(tally.counted())
    return found, total_passed_over(parts).recorded()


@pytest.mark.parametrize("unit_bytes", [1, 16, 17, 18, 40, 10**6])
def test_bad_lines_are_the_same_however_a_file_is_cut(tmp_path: Path, unit_bytes: int) -> None:
    lines = [line for bad in BAD for line in (GOOD, b"\n", bad)] + list(BAD[:3]) * 2
    (tmp_path / "a.jsonl").write_bytes(b"".join(lines))
    found, passed = counted(skipping(tmp_path), unit_bytes)
    assert found == ["fine"] * len(BAD)
    more = {"not JSON": 4, "no such field": 3, "null": 3}
    assert passed["records"] == {**REASONS, **more}
    numbers = [number for number, line in enumerate(lines, 1) if line in BAD][:10]
    places = [str(place).partition(": ")[0] for place in passed["first"]]  # type: ignore[attr-defined]
    assert places == [f"{tmp_path}/a.jsonl line {number}" for number in numbers]


def test_items_rows_and_texts_are_passed_over(tmp_path: Path) -> None:
    items = [{"text": "one"}, {"text": None}, 3, {"text": "two"}]
    (tmp_path / "a.json").write_text(json.dumps(items))
    broken = pa.array([b"three", b"\xff", None, b"four"]).view(pa.string())
    pq.write_table(pa.table({"text": broken}), tmp_path / "b.parquet", row_group_size=2)
    (tmp_path / "c.txt").write_bytes(b"five\n==\n\xff\n==\nsix\n==\na\0b")
    found, passed = counted(skipping(tmp_path, document_separator="\n==\n"), 1)
    assert found == ["one", "two", "three", "four", "five", "six"]
    assert passed["first"] == [
        f"{tmp_path}/a.json item 2: field 'text' is null, not text",
        f"{tmp_path}/a.json item 3: not a JSON object",
        f"{tmp_path}/b.parquet row 1: not valid UTF-8 (byte 0xff)",
        f"{tmp_path}/b.parquet row 2: field 'text' is null, not text",
        f"{tmp_path}/c.txt line 3: not valid UTF-8 (byte 0xff at offset 8)",
        f"{tmp_path}/c.txt line 7: it holds a NUL byte, so that it is no plain text (binary, or "
        "UTF-16)",
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl.gz", gzip.compress(GOOD * 999, mtime=0)[:-9], "it cannot be read"),
        ("a.json", b'[{"text": "a"}, {', "line 1: not valid JSON"),
        ("a.parquet", b"no parquet", "not a Parquet file"),
    ],
)
def test_a_damaged_file_is_an_error_anyhow(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_all(skipping(tmp_path))


def test_documents_without_anything_to_be_seen_are_left_out(tmp_path: Path) -> None:
    empty = ["", " \n\t", "\u200b", "\ufeff\u00a0", "\u200d\u2060 \u00ad", "\u3000\u2028"]
    seen = [".", "\u200bx", "\U0001f468\u200d\U0001f469", "́", "ا", "\x00"]
    write_lines(
        tmp_path / "a.jsonl", [text for pair in zip(empty, seen, strict=True) for text in pair]
    )
    found, passed = counted(TextSource((str(tmp_path),)), 30)
    assert found == seen
    assert passed == {"contentless": len(empty), "records": {}, "first": []}


def test_what_follows_the_last_separator_is_no_document(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n==\n\n==\ntwo\n==\n\n")
    source = TextSource((str(tmp_path),), document_separator="==\n")
    found, passed = counted(source)
    assert (found, passed["contentless"]) == (["one\n", "two\n"], 1)


def test_a_sample_of_bad_records_alone_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"".join(BAD))
    source = skipping(tmp_path)
    message = r"no document in it: 8 records cannot be read, such as .*a\.jsonl line 1: not valid"
    with pytest.raises(InputError, match=message):
        read_sample(source, find_files(source))


@pytest.fixture
def mixed(tmp_path: Path, corpus: tuple[Storage, CorpusSpec, str]) -> tuple[CorpusSpec, str]:
    """A corpus with two bad lines and an empty document in it."""
    _, spec, reference = corpus
    good = (tmp_path / "a.jsonl").read_bytes().splitlines(keepends=True)
    lines = [*good[:100], b"{nope\n", *good[100:], b'{"text": " "}\n', b'{"text": null}\n']
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed/a.jsonl").write_bytes(b"".join(lines))
    return replace(spec, source=skipping(tmp_path / "mixed")), reference


@pytest.mark.usefixtures("in_process")
def test_a_corpus_without_its_bad_records(
    tmp_path: Path, corpus: tuple[Storage, CorpusSpec, str], mixed: tuple[CorpusSpec, str]
) -> None:
    spec, reference = mixed
    plain = prepare_corpus(corpus[0], corpus[1], reference)
    made = [
        prepare_corpus(corpus[0], replace(spec, name=f"m{unit_bytes}"), reference, None, unit_bytes)
        for unit_bytes in (2_000, 10**7)
    ]
    for manifest in made:
        assert manifest.fingerprint == plain.fingerprint
        assert manifest.source["passed_over"] == {
            "contentless": 1,
            "records": {"not JSON": 1, "null": 1},
            "first": [
                f"{tmp_path}/mixed/a.jsonl line 101: not valid JSON (Expecting property name "
                "enclosed in double quotes: line 1 column 2 (char 1))",
                f"{tmp_path}/mixed/a.jsonl line 303: field 'text' is null, not text",
            ],
        }
    assert list(told(made[0]))[:2] == [
        "corpus m2000: 1 documents hold nothing that can be seen, and were left out",
        "corpus m2000: 2 records cannot be read, and were passed over (not JSON: 1, null: 1); the "
        "first of them:",
    ]
    assert list(told(plain)) == []


@pytest.mark.usefixtures("in_process")
def test_where_nothing_was_passed_over_the_choice_is_no_part_of_a_corpus(
    corpus: tuple[Storage, CorpusSpec, str],
) -> None:
    storage, spec, reference = corpus
    skip = replace(spec, source=replace(spec.source, on_bad_record="skip"))
    manifest = prepare_corpus(storage, spec, reference)
    assert prepare_corpus(storage, skip, reference) == manifest
    source = {k: v for k, v in manifest.source.items() if k not in ("on_bad_record", "passed_over")}
    older = manifest.model_copy(update={"source": source})
    check_origin(storage, skip, older, manifest.tokenizer)
    assert list(told(older)) == []


@pytest.mark.usefixtures("in_process")
def test_where_records_were_passed_over_they_are_no_error_later(
    corpus: tuple[Storage, CorpusSpec, str], mixed: tuple[CorpusSpec, str]
) -> None:
    spec, reference = mixed
    strict = replace(spec, source=replace(spec.source, on_bad_record="error"))
    with pytest.raises(InputError, match=r"line 303: field 'text' is null.* `on_bad_record: skip`"):
        prepare_corpus(corpus[0], strict, reference, None, 2_000)
    prepare_corpus(corpus[0], spec, reference, None, 2_000)
    with pytest.raises(InputError, match=r"on_bad_record \('skip', which passed over 2 records"):
        prepare_corpus(corpus[0], strict, reference)
    assert load_manifest(corpus[0], spec.folder).source["on_bad_record"] == "skip"
