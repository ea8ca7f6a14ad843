"""`text_field` reaches into objects and structs, and a name with a dot keeps its meaning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycl.data.prepare import TextSource
from raycl.data.prepare.inputs import find_files, plan_units
from raycl.data.prepare.readers.checks import BadDocumentError
from raycl.data.prepare.readers.json_text import parse_json, text_of
from raycl.errors import InputError
from tests.helpers.corpus_text import read_all, texts


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ({"text": {"body": "nested"}}, "nested"),
        ({"text.body": "literal"}, "literal"),
        ({"text.body": "literal", "text": {"body": "nested"}}, "literal"),
        ({"text": "flat", "text.body": "literal"}, "literal"),
    ],
)
def test_a_field_of_the_very_name_comes_first(record: Any, found: str) -> None:
    assert text_of(record, "text.body") == found


@given(st.lists(st.sampled_from(["a", "b", "a.b", ".", "b.", ""]), min_size=1, max_size=4))
def test_every_way_through_names_with_dots_is_found(names: list[str]) -> None:
    record: Any = "deep"
    for name in reversed(names):
        record = {name: record}
    assert text_of(record, ".".join(names)) == "deep"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"text": {"lang": "de", "meta": {"n": 1}}, "id": 1}', "has text.lang, text.meta.n, id"),
        ('{"text": "flat"}', r"no field 'text.body' \(it has text\)"),
        ('{"text": {}}', r"no field 'text.body' \(it has text\)"),
        ('{"text": {"body": null}}', "field 'text.body' is null, not text"),
        ('{"text": {"body": ["a"]}}', "field 'text.body' is list, not text"),
        ('{"text": {"body": "a", "body": "b"}}', "it has the field 'body' twice"),
        ('{"text": {"body": "a"}, "text": {"body": "b"}}', "it has the field 'text' twice"),
    ],
)
def test_what_is_wrong_with_a_nested_field(line: str, problem: str) -> None:
    with pytest.raises(BadDocumentError, match=problem):
        text_of(parse_json(line.encode()), "text.body")


def test_json_lines_documents_and_parquet_agree(tmp_path: Path) -> None:
    documents = texts(20)
    records = [{"id": n, "text": {"n": n, "body": body}} for n, body in enumerate(documents)]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (tmp_path / "a.jsonl").write_text(lines)
    (tmp_path / "b.json").write_text(json.dumps(records))
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "c.parquet", row_group_size=7)
    source = TextSource((str(tmp_path),), text_field="text.body")
    for unit_bytes in (1, 10**6):
        assert read_all(source, unit_bytes) == documents * 3


def test_of_parquet_only_the_leaf_is_counted_and_read(tmp_path: Path) -> None:
    large = [{"text": {"body": "short", "html": "x" * 10_000 + str(n)}} for n in range(50)]
    pq.write_table(pa.Table.from_pylist(large), tmp_path / "a.parquet", row_group_size=10)
    source = TextSource((str(tmp_path),), text_field="text.body")
    _, size = plan_units(source, find_files(source))
    assert size < 5_000
    assert read_all(source, 1) == ["short"] * 50


def test_a_column_with_a_dot_in_its_name_comes_first(tmp_path: Path) -> None:
    table = pa.table({"text": [{"body": "nested"}], "text.body": ["literal"]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read_all(TextSource((str(tmp_path),), text_field="text.body")) == ["literal"]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("text.title", r"a\.parquet: there is no column 'text\.title'.* text\.body, text\.in\.x"),
        ("text", r"'text' holds struct<.*>, not text\. .* such as text\.body"),
        ("text.in", r"'text\.in' holds struct<.*>, not text\. .* such as text\.in\.x"),
        ("text.n", r"column 'text\.n' holds int64, not text"),
    ],
)
def test_what_is_wrong_with_a_nested_column(tmp_path: Path, field: str, message: str) -> None:
    table = pa.table({"n": [1], "text": [{"body": "a", "n": 1, "in": {"x": "y"}}]})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match=message):
        read_all(TextSource((str(tmp_path),), text_field=field))


def test_a_null_above_the_text_is_a_null(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": [{"body": "a"}, None]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"row 1: field 'text\.body' is null, not text"):
        read_all(TextSource((str(tmp_path),), text_field="text.body"))
