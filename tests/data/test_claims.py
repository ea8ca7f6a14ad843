"""Two preparations of one corpus name at once: nothing that one wrote is replaced by the other."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from raycl.data.manifest import load_manifest
from raycl.data.prepare import CorpusSpec, TextSource, claim, prepare, prepare_corpus
from raycl.data.prepare.claim import PreparationClaim, claimed
from raycl.data.shards import verify_corpus
from raycl.errors import InputError
from raycl.storage import Storage, layout
from raycl.storage.machine import process_start, this_machine
from raycl.storage.record import write_record
from tests.helpers.corpus_text import texts, write_lines

Prepared = tuple[Storage, CorpusSpec, str]
PATH = layout.preparation_claim("corpora/c")
pytestmark = pytest.mark.usefixtures("in_process")


@pytest.fixture
def other_text(tmp_path: Path, corpus: Prepared) -> CorpusSpec:
    """The same corpus name for other text."""
    write_lines(tmp_path / "other.txt", texts(250, seed=4))
    source = TextSource((f"{tmp_path}/other.txt",), format="jsonl")
    return dataclasses.replace(corpus[1], source=source)


def before(monkeypatch: pytest.MonkeyPatch, name: str, action: Callable[[], Any]) -> None:
    """Do something once, before the step `name` of the preparation."""
    step, pending = getattr(prepare, name), [action]

    def with_action(*arguments: Any) -> Any:
        if pending:
            pending.pop()()
        return step(*arguments)

    monkeypatch.setattr(prepare, name, with_action)


def test_other_text_is_refused_while_the_first_is_prepared(
    corpus: Prepared, other_text: CorpusSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, spec, reference = corpus
    files: list[set[str]] = []

    def second() -> None:
        files.append(set(storage.sizes("corpora/c")))
        with pytest.raises(InputError, match=r"corpus 'c': another command \(process \d+ on"):
            prepare_corpus(storage, other_text, reference)
        files.append(set(storage.sizes("corpora/c")))

    before(monkeypatch, "pack_buckets", second)
    manifest = prepare_corpus(storage, spec, reference)
    assert files[0] == files[1]
    assert load_manifest(storage, "corpora/c") == verify_corpus(storage, "corpora/c") == manifest
    assert not storage.exists(PATH)
    with pytest.raises(InputError, match="prepared from other input"):
        prepare_corpus(storage, other_text, reference)


def test_without_claims_the_first_manifest_stays(
    corpus: Prepared, other_text: CorpusSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at gs://, or where two machines have both claimed."""
    storage, spec, reference = corpus
    monkeypatch.setattr(claim, "_claim", lambda *_: None)
    first: list[Any] = []
    before(
        monkeypatch,
        "describe_corpus",
        lambda: first.append(prepare_corpus(storage, other_text, reference)),
    )
    with pytest.raises(InputError, match=r"prepared from other input.*the input files"):
        prepare_corpus(storage, spec, reference)
    assert load_manifest(storage, "corpora/c") == verify_corpus(storage, "corpora/c") == first[0]


@pytest.mark.parametrize(
    "step", ["tokenise_units", "agree", "move_documents", "pack_buckets", "create_manifest"]
)
def test_equal_preparations_both_succeed(
    corpus: Prepared, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    storage, spec, reference = corpus
    twin: list[Any] = []
    before(monkeypatch, step, lambda: twin.append(prepare_corpus(storage, spec, reference)))
    assert prepare_corpus(storage, spec, reference) == twin[0]
    assert verify_corpus(storage, "corpora/c") == twin[0]


def test_many_at_once(corpus: Prepared, other_text: CorpusSpec) -> None:
    storage, spec, reference = corpus
    results: list[object] = []

    def run(wanted: CorpusSpec) -> None:
        try:
            results.append(prepare_corpus(storage, wanted, reference).fingerprint)
        except InputError as error:
            results.append(error)

    threads = [threading.Thread(target=run, args=(s,)) for s in (spec, other_text) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    committed = verify_corpus(storage, "corpora/c").fingerprint
    assert {result for result in results if isinstance(result, str)} == {committed}
    assert len(results) == 6


def ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_claim_of_a_process_that_is_gone_is_taken_over(corpus: Prepared, is_gone: bool) -> None:
    storage, spec, reference = corpus
    other = PreparationClaim(
        key="other",
        machine=this_machine(),
        process=ended_process() if is_gone else os.getpid(),
        started=process_start(os.getpid()) or "",
    )
    write_record(storage, PATH, other)
    storage.write_bytes("corpora/c/train/x/00000.npy", b"left by it")
    if is_gone:
        prepare_corpus(storage, spec, reference)
        assert not storage.exists("corpora/c/train/x/00000.npy")
    else:
        with pytest.raises(InputError, match="Wait until it has ended"):
            prepare_corpus(storage, spec, reference)
        assert storage.exists("corpora/c/train/x/00000.npy")


def test_a_claim_of_another_machine_can_be_removed_by_hand(corpus: Prepared) -> None:
    storage, spec, reference = corpus
    other = PreparationClaim(key="other", machine="away/1/2", process=1, started="7")
    write_record(storage, PATH, other)
    with pytest.raises(InputError, match=r"process 1 on away\).* remove .*claim\.json") as caught:
        prepare_corpus(storage, spec, reference)
    os.remove(caught.value.remedy.rpartition("remove ")[2])
    prepare_corpus(storage, spec, reference)


def test_a_claim_ends_with_its_block(tmp_path: Path) -> None:
    storage = Storage(tmp_path)

    def fails() -> Iterator[None]:
        with claimed(storage, "c", "key"):
            assert storage.exists(PATH)
            raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        list(fails())
    assert not storage.exists(PATH)
