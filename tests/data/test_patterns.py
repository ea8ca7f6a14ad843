"""Which files a pattern names: fnmatch's rules, names that look like patterns, links, markers."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from raycl.data.prepare import TextSource, find_files, find_inputs
from raycl.data.prepare.file_systems import split_query
from raycl.errors import InputError


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text('{"text": "a"}\n')


def found(folder: Path, *patterns: str) -> list[str]:
    source = TextSource(tuple(f"{folder}/{pattern}" for pattern in patterns))
    return [file.url.removeprefix(f"{folder}/") for file in find_files(source)]


def refused(folder: Path, pattern: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        found(folder, pattern)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("part-[!0].jsonl", "part-1.jsonl part-2.jsonl"),
        ("part-[0-1].jsonl", "part-0.jsonl part-1.jsonl"),
        ("part-[12].jsonl", "part-1.jsonl part-2.jsonl"),
        ("part-[!0-1].jsonl", "part-2.jsonl"),
        ("part-?.jsonl", "part-0.jsonl part-1.jsonl part-2.jsonl"),
        ("*-1.*", "part-1.jsonl"),
        ("[]]*.jsonl", "].jsonl"),
        ("[!]p]*.jsonl", "^.jsonl d.jsonl"),
        ("[^]*.jsonl", "^.jsonl"),
        ("[[]*", ""),
        ("**/deep.jsonl", "x/y/deep.jsonl"),
        ("x/**/*.jsonl", "x/y/deep.jsonl"),
        ("*/y/*", "x/y/deep.jsonl"),
        ("**/y/**/*.jsonl", "x/y/deep.jsonl"),
        (".*.jsonl", ".hidden.jsonl"),
        ("*hidden*", ""),
        (r"part-[\d].jsonl", ""),
        ("PART-*.jsonl", ""),
    ],
)
def test_patterns_are_those_of_fnmatch(tmp_path: Path, pattern: str, expected: str) -> None:
    names = ("part-0", "part-1", "part-2", "]", "^", "d", ".hidden", "x/y/deep")
    write(tmp_path, *(f"{name}.jsonl" for name in names))
    if expected:
        assert found(tmp_path, pattern) == expected.split(" ")
    else:
        refused(tmp_path, pattern, "no files match")


@pytest.mark.parametrize(
    "name",
    ["data[1].jsonl", "a*.jsonl", "what?.jsonl", "100%.jsonl", "a%20b.jsonl", "a+b c.jsonl",
     "naïve 你好.jsonl", "[!x].jsonl", "dir[1]/a.jsonl", "**.jsonl", "a=b&c#d.jsonl"],
)  # fmt: skip
def test_a_name_that_exists_is_that_file(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, "data1.jsonl", "ab.jsonl", "whats.jsonl", "y.jsonl", "dir1/a.jsonl")
    assert found(tmp_path, name) == [name]
    assert [f.url for f in find_files(TextSource((f"file://{tmp_path}/{name}",)))] == [
        f"{tmp_path}/{name}"
    ]


def test_a_folder_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    write(tmp_path, "set[1]/a.jsonl", "set1/b.jsonl", "x/set[1]/c.jsonl", "x/set1/d.jsonl")
    assert found(tmp_path, "set[1]") == ["set[1]/a.jsonl"]
    assert found(tmp_path, "set[1]/*.jsonl") == ["set[1]/a.jsonl"]
    assert found(tmp_path, "*/set[1]/*") == ["x/set[1]/c.jsonl"]


def test_a_file_url_may_be_escaped(tmp_path: Path) -> None:
    write(tmp_path, "a b.jsonl")
    source = TextSource((f"file://{tmp_path}/a%20b.jsonl",))
    assert [file.url for file in find_files(source)] == [f"{tmp_path}/a b.jsonl"]


def test_each_real_file_once(tmp_path: Path) -> None:
    write(tmp_path / "text", "a.jsonl", "x/b.jsonl")
    write(tmp_path / "outside", "c.jsonl")
    text = tmp_path / "text"
    (text / "latest").symlink_to(".")
    (text / "x" / "up").symlink_to("..")
    (text / "z.jsonl").symlink_to("a.jsonl")
    (text / "hard.jsonl").hardlink_to(text / "a.jsonl")
    (text / "more").symlink_to(tmp_path / "outside")
    (text / "again").symlink_to(tmp_path / "outside")
    assert found(text, "") == ["a.jsonl", "again/c.jsonl", "x/b.jsonl"]
    assert found(text, "**/*.jsonl") == found(text, "")
    assert found(text, "a.jsonl", "./a.jsonl", "z.jsonl", "*.jsonl") == ["a.jsonl"]
    assert found(text, "latest/latest/a.jsonl") == ["latest/latest/a.jsonl"]


def test_links_that_lead_nowhere_are_told(tmp_path: Path) -> None:
    (tmp_path / "gone.jsonl").symlink_to("missing.jsonl")
    (tmp_path / "loop.jsonl").symlink_to("loop.jsonl")
    refused(tmp_path, "gone.jsonl", "a link to 'missing.jsonl', which does not exist. Restore")
    refused(tmp_path, "g*", "a link to 'missing.jsonl'")
    refused(tmp_path, "loop.jsonl", "cannot be read.*symbolic links")
    refused(tmp_path, "", "a link to 'missing.jsonl'")


def test_what_is_no_file_is_never_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    for pattern in ("pipe.jsonl", "*.jsonl", ""):
        refused(tmp_path, pattern, r"pipe\.jsonl: a named pipe, not a file")
    (tmp_path / "pipe.jsonl").unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s.jsonl"))
        refused(tmp_path, "s.jsonl", "a socket, not a file")
    with pytest.raises(InputError, match="a device, not a file"):
        find_files(TextSource(("/dev/zero",)))


@pytest.mark.parametrize(
    "marker",
    ["_SUCCESS", "_metadata", "_common_metadata", ".a.jsonl.crc", "a.jsonl.crc", "README.md",
     "dataset_infos.json", "LICENSE", "LICENSE.txt", "_temporary/0/b.jsonl", "_delta_log/0.json",
     "SHA256SUMS", ".git/x", "a.jsonl.lock"],
)  # fmt: skip
def test_marker_files_are_ignored_and_told(tmp_path: Path, marker: str) -> None:
    write(tmp_path, "a.jsonl", marker)
    for pattern in ("", "**"):
        inputs = find_inputs(TextSource((f"{tmp_path}/{pattern}",)))
        assert [file.url for file in inputs.files] == [f"{tmp_path}/a.jsonl"]
        expected = [] if marker.startswith(".") else [f"{tmp_path}/{marker.split('/')[0]}"]
        assert inputs.ignored == expected


def test_folders_that_a_pattern_for_files_matches_are_told(tmp_path: Path) -> None:
    write(tmp_path, "lang=de/0.jsonl", "lang=fr.jsonl", "_temporary/0.jsonl")
    inputs = find_inputs(TextSource((f"{tmp_path}/*",)))
    assert [Path(file.url).name for file in inputs.files] == ["lang=fr.jsonl"]
    assert inputs.folders == [f"{tmp_path}/lang=de"]
    for everything in ("", "/**", "/**/*", "/**/*.jsonl"):
        assert not find_inputs(TextSource((f"{tmp_path}{everything}",))).folders


def test_a_marker_that_is_named_is_read(tmp_path: Path) -> None:
    write(tmp_path, "README.md", "state.json", "_parts/a.jsonl")
    assert found(tmp_path, "README.md", "state.json") == ["README.md", "state.json"]
    assert found(tmp_path, "_parts") == found(tmp_path, "_*/*") == ["_parts/a.jsonl"]
    refused(
        tmp_path,
        "",
        r"no files match but those that hold no data \(README.md, ",
    )


@pytest.mark.parametrize(
    ("name", "reader", "compression"),
    [
        ("a.JSONL", "jsonl", None),
        ("a.ndjson", "jsonl", None),
        ("a.Txt", "text", None),
        ("a.md", "text", None),
        ("a.json", "json", None),
        ("a.JSON.GZ", "json", "gzip"),
        ("a.jsonl.zst", "jsonl", "zstd"),
        ("a.txt.xz", "text", "xz"),
        ("a.v1.2.jsonl.bz2", "jsonl", "bz2"),
        ("a.snappy.parquet", "parquet", None),
    ],
)
def test_suffixes(tmp_path: Path, name: str, reader: str, compression: str | None) -> None:
    write(tmp_path, name)
    (file,) = find_files(TextSource((str(tmp_path),)))
    assert (file.format, file.compression) == (reader, compression)


def test_no_suffix_or_an_unknown_one(tmp_path: Path) -> None:
    write(tmp_path, "part-00000", "a.parquet.snappy", "b.zip", "c.parquet.gz")
    refused(tmp_path, "part-00000", "its name has no suffix. .*set `format` to one of jsonl, json")
    (file,) = find_files(TextSource((f"{tmp_path}/part-00000",), format="jsonl"))
    assert file.format == "jsonl"
    refused(tmp_path, "a.parquet.snappy", "unknown suffix '.snappy'")
    refused(tmp_path, "b.zip", "an archive.*Unpack it")
    refused(tmp_path, "c.parquet.gz", "inside gzip.*Unpack the file")


def test_names_that_no_file_can_have(tmp_path: Path) -> None:
    refused(tmp_path, "a\0b", "NUL character")
    refused(tmp_path, "a" * 300, "cannot be read.*[Nn]ame too long")
    with open(os.fsencode(tmp_path) + b"/\xff.jsonl", "wb"):
        refused(tmp_path, "*.jsonl", "its name is not UTF-8. Rename")


def test_a_question_mark_in_a_url_is_a_wildcard_unless_options_follow() -> None:
    assert split_query("s3://b/part-?.jsonl") == ("s3://b/part-?.jsonl", "")
    query = "?region=us-east-1&endpoint_override=localhost:9000"
    assert split_query(f"s3://b/a?.jsonl{query}") == ("s3://b/a?.jsonl", query)
    assert split_query("/text/a?b=c") == ("/text/a?b=c", "")
