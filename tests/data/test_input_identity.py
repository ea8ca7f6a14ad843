"""A corpus knows its text by content: times, places and names are no part of it."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raycl.data.manifest import load_manifest, write_manifest
from raycl.data.prepare import (
    CorpusSpec,
    TextSource,
    check_origin,
    digests,
    prepare_corpus,
    train_tokenizer,
)
from raycl.data.prepare.digests import check_unchanged, is_settled
from raycl.data.prepare.inputs import find_files
from raycl.errors import InputError
from raycl.storage import Storage
from tests.helpers.corpus_text import texts, write_lines

pytestmark = pytest.mark.usefixtures("in_process")


@pytest.fixture
def made(tmp_path: Path, corpus: tuple[Storage, CorpusSpec, str]) -> Any:
    """A prepared corpus of two files; a function that checks it against a pattern."""
    storage, spec, reference = corpus
    folder = tmp_path / "text"
    folder.mkdir()
    write_lines(folder / "a.jsonl", texts(200))
    write_lines(folder / "b.jsonl", texts(100, seed=1))
    os.utime(folder / "a.jsonl", (1e9, 1e9))
    spec = replace(spec, source=TextSource((f"{folder}/*.jsonl",)))
    manifest = prepare_corpus(storage, spec, reference)

    def check(*patterns: str) -> None:
        source = TextSource(patterns or spec.source.files)
        loaded = load_manifest(storage, "corpora/c")
        check_origin(storage, replace(spec, source=source), loaded, manifest.tokenizer)

    return check


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """URLs of the files that are read for their digests."""
    urls: list[str] = []
    hash_file = digests.hash_file
    monkeypatch.setattr(digests, "_known", {})

    def noted(file: Any) -> str:
        urls.append(file.url.rpartition("/")[2])
        return hash_file(file)

    monkeypatch.setattr(digests, "hash_file", noted)
    return urls


def forget(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """As on a machine that has never seen the files."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    monkeypatch.setattr(digests, "_known", {})


def test_what_is_no_change(tmp_path: Path, made: Any) -> None:
    text = tmp_path / "text"
    os.utime(text / "a.jsonl")
    made()
    shutil.copytree(text, tmp_path / "copy", copy_function=shutil.copy2)
    made(f"{tmp_path}/copy")
    (tmp_path / "link").symlink_to(text)
    made(f"{tmp_path}/link/*.jsonl")
    (text / "a.jsonl").rename(text / "z.jsonl")
    made()
    made(f"{text}/b.jsonl", f"file://{text}/z.jsonl")
    (text / "z.jsonl").write_bytes((tmp_path / "copy" / "a.jsonl").read_bytes())
    made()
    shutil.rmtree(text)
    made()


@pytest.mark.parametrize("change", ["edit", "append", "remove", "add", "repeat", "swap"])
def test_what_is_a_change(tmp_path: Path, made: Any, change: str) -> None:
    text = tmp_path / "text"
    file, other = text / "a.jsonl", text / "b.jsonl"
    times = file.stat()
    if change == "edit":  # size and time stay
        file.write_bytes(file.read_bytes().replace(b"river", b"rivet", 1))
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
        assert (file.stat().st_size, file.stat().st_mtime_ns) == (
            times.st_size, times.st_mtime_ns,
        )  # fmt: skip
    elif change == "append":
        file.write_text(file.read_text() + "\n")
    elif change == "remove":
        file.unlink()
    elif change == "add":
        write_lines(text / "c.jsonl", ["more"])
    elif change == "repeat":
        shutil.copy(file, text / "c.jsonl")
    else:
        other.write_bytes(file.read_bytes())
    with pytest.raises(InputError, match=r"other input or settings: the input files .* differ"):
        made()


def test_what_is_left_of_the_text_is_still_compared(tmp_path: Path, made: Any) -> None:
    text = tmp_path / "text"
    patterns = (f"{text}/a.jsonl", f"{text}/b.jsonl")
    (text / "b.jsonl").unlink()
    made(*patterns)
    (text / "a.jsonl").write_text((text / "a.jsonl").read_text() + "\n")
    with pytest.raises(InputError, match=r"the content of .*a\.jsonl"):
        made(*patterns)


def test_a_file_that_nothing_reads_has_come_to_the_text(tmp_path: Path, made: Any) -> None:
    (tmp_path / "text/c.csv").write_text("more")
    with pytest.raises(InputError, match=r"c\.csv: unknown suffix"):
        made(f"{tmp_path}/text")


def test_another_reader_is_a_change(tmp_path: Path, made: Any) -> None:
    for name in "ab":
        (tmp_path / f"text/{name}.jsonl").rename(tmp_path / f"text/{name}.txt")
    with pytest.raises(InputError, match=r"the content of .*\.txt, .*\.txt"):
        made(f"{tmp_path}/text")


def test_text_is_read_again_only_where_its_facts_differ(
    tmp_path: Path, made: Any, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made()
    forget(monkeypatch, tmp_path / "another")
    made()
    assert reads == []  # the manifest knows the files as they are
    os.utime(tmp_path / "text/a.jsonl")
    made()
    made()
    assert reads.count("b.jsonl") == 0
    assert 1 <= reads.count("a.jsonl") <= 2  # twice where its time is too near to be trusted
    (file,) = find_files(TextSource((f"{tmp_path}/text/b.jsonl",)))
    assert is_settled(file)
    (tmp_path / "text/b.jsonl").chmod(0o600)
    with pytest.raises(InputError, match=r"b\.jsonl: it changed while it was read"):
        check_unchanged(file)


def test_a_time_that_may_stay_the_same_is_not_trusted(tmp_path: Path) -> None:
    (file,) = find_files(TextSource((str(write_lines(tmp_path / "a.jsonl", ["a"])),)))
    assert not is_settled(replace(file, changed=2**62))
    assert not is_settled(replace(file, modified=0))
    assert not is_settled(replace(file, modified=2**62, changed=0))
    assert is_settled(replace(file, modified=10**18, changed=0))


def with_times_only(storage: Storage) -> None:
    """The manifest as a raycl without digests wrote it."""
    manifest = load_manifest(storage, "corpora/c")
    files = [[f["url"], f["size"], os.stat(f["url"]).st_mtime_ns] for f in manifest.source["files"]]
    source = {**manifest.source, "files": sorted(files)}
    for name in ("documents", "shared", "key", "compared_with"):
        del source[name]
    write_manifest(storage, "corpora/c", manifest.model_copy(update={"source": source}))


def test_a_corpus_without_digests(
    tmp_path: Path, made: Any, corpus: tuple[Storage, CorpusSpec, str]
) -> None:
    with_times_only(corpus[0])
    made()
    before = os.stat(tmp_path / "text/a.jsonl").st_mtime_ns
    os.utime(tmp_path / "text/a.jsonl")
    with pytest.raises(InputError, match=r"older than the checksums .*: touch -d @") as caught:
        made()
    command = caught.value.remedy.rpartition(": ")[2]
    assert command == f"touch -d @1000000000.000000000 {tmp_path}/text/a.jsonl"
    assert os.system(command) == 0
    assert os.stat(tmp_path / "text/a.jsonl").st_mtime_ns == before
    made()


def test_an_interrupted_preparation_goes_on_where_the_text_was_moved(
    tmp_path: Path, corpus: tuple[Storage, CorpusSpec, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, spec, reference = corpus
    (tmp_path / "text").mkdir()
    for number in range(4):
        write_lines(tmp_path / f"text/{number}.jsonl", texts(80, seed=number))
    spec = replace(spec, source=TextSource((f"{tmp_path}/text",)))
    full = "raycl.data.prepare.prepare.pack_buckets"
    with monkeypatch.context() as patched:
        patched.setattr(full, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            prepare_corpus(storage, spec, reference, unit_bytes=6000)
    (tmp_path / "text").rename(tmp_path / "moved")
    (tmp_path / "moved/0.jsonl").rename(tmp_path / "moved/9.jsonl")
    phases: list[tuple[str, int, int]] = []
    moved = replace(spec, source=TextSource((f"{tmp_path}/moved",)))
    prepare_corpus(storage, moved, reference, lambda *all_: phases.append(all_), unit_bytes=6000)
    tokenised = [(done, total) for phase, done, total in phases if phase == "tokenise"]
    assert tokenised == [(tokenised[0][1],) * 2]


def test_the_request_of_a_tokenizer_knows_content(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "runs")
    for number in range(3):
        write_lines(tmp_path / f"{number}.jsonl", texts(90, seed=number))

    def request(*patterns: str) -> str:
        source = TextSource(tuple(f"{tmp_path}/{pattern}" for pattern in patterns))
        return train_tokenizer(storage, [source], 300, 20_000, 0)[1]

    first = request("*.jsonl")
    (tmp_path / "0.jsonl").rename(tmp_path / "x.jsonl")
    assert request("*.jsonl") == first
    assert len(storage.list("tokenizers/requests")) == 1
    write_lines(tmp_path / "x.jsonl", ["another"] * 50)
    request("*.jsonl")
    assert len(storage.list("tokenizers/requests")) == 2
    record = storage.read_json(f"tokenizers/requests/{storage.list('tokenizers/requests')[0]}")
    assert "jsonl" in json.dumps(record)
