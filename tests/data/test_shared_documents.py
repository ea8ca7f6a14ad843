"""Documents that several corpora hold: told, and in the same split of each."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycl.data.document_hashes import HashedCorpus, SplitHashes, hash_document
from raycl.data.held_out import held_out_documents
from raycl.data.manifest import Manifest, load_manifest
from raycl.data.prepare import (
    CorpusSpec,
    TextSource,
    conflicts,
    prepare_corpora,
    prepare_corpus,
    sentences,
)
from raycl.data.prepare import agreement as agreement_module
from raycl.data.prepare.agreement import agree
from raycl.data.prepare.sharing import hashes_of
from raycl.data.shards import verify_corpus
from raycl.errors import InputError
from raycl.storage import Storage
from tests.helpers.corpus_text import texts, write_lines

Prepared = tuple[Storage, CorpusSpec, str]


def split_of(storage: Storage, manifest: Manifest) -> tuple[set[int], set[int]]:
    """Hashes of the documents that are trained on, and of those held out."""
    hashes = hashes_of(storage, manifest)
    assert hashes is not None
    found = hashes.within((0, 2**64))
    return set(found.train.tolist()), set(found.held_out.tolist())


@pytest.fixture
def specs(tmp_path: Path, corpus: Prepared) -> dict[str, CorpusSpec]:
    """a: 300 documents, 4 % held out; b: the last 200 of them and 100 others, 30 % held out."""
    shared, other = texts(300), texts(100, seed=5)
    write_lines(tmp_path / "b.jsonl", shared[100:] + other + other[:7])
    of_b = TextSource((f"{tmp_path}/b.jsonl",))
    of_a = TextSource((f"{tmp_path}/a.jsonl",))
    spec = corpus[1]
    return {
        "a": dataclasses.replace(spec, name="a", source=of_a, validation=Fraction(1, 25), seed=3),
        "b": dataclasses.replace(spec, name="b", source=of_b, validation=Fraction(3, 10), seed=8),
    }


@pytest.mark.usefixtures("in_process")
def test_prepared_together_they_are_held_out_of_both(
    tmp_path: Path, corpus: Prepared, specs: dict[str, CorpusSpec]
) -> None:
    storage, _, reference = corpus
    alone = Storage(tmp_path / "alone")
    by_itself = {
        name: prepare_corpus(alone, spec, storage.full_path(reference))
        for name, spec in specs.items()
    }
    made = prepare_corpora(storage, list(specs.values()), reference, unit_bytes=3000)
    train_a, held_a = split_of(storage, made["a"])
    train_b, held_b = split_of(storage, made["b"])
    assert not held_a & train_b
    assert not held_b & train_a
    _, alone_a = split_of(alone, by_itself["a"])
    _, alone_b = split_of(alone, by_itself["b"])
    everything_a, everything_b = train_a | held_a, train_b | held_b
    assert held_a == alone_a | (alone_b & everything_a)
    assert held_b == alone_b | (alone_a & everything_b)
    moved = made["a"].source["held_out_with_another"]
    assert 40 < moved == len(held_a - alone_a) < 90
    assert made["a"].validation.documents == by_itself["a"].validation.documents + moved
    assert made["a"].train.documents + made["a"].validation.documents == 300
    assert made["a"].source["shared"] == {"b": 200}
    assert made["b"].source["shared"] == {"a": 200}
    assert made["b"].source["duplicates"] == 7
    for name in specs:
        verify_corpus(storage, f"corpora/{name}")
    texts_a = set(held_out_documents(storage, "a"))
    assert texts_a <= set(texts(300))
    assert {int.from_bytes(hash_document(text.encode()), "little") for text in texts_a} <= held_a
    told = " ".join([*sentences(made["a"]), *sentences(made["b"])])
    assert "corpus a: 200 documents are in corpus b too" in told
    assert f"corpus a: {moved} documents are held out because another corpus" in told
    assert "corpus b: 7 documents are repetitions" in told
    assert not list(conflicts(storage, made))
    again = prepare_corpora(Storage(tmp_path / "2"), [specs["b"], specs["a"]],
                            storage.full_path(reference))  # fmt: skip
    assert {n: m.fingerprint for n, m in again.items()} == {
        n: m.fingerprint for n, m in made.items()
    }


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("first", ["a", "b"])
def test_what_is_prepared_stays_and_the_later_one_follows(
    corpus: Prepared, specs: dict[str, CorpusSpec], first: str
) -> None:
    storage, _, reference = corpus
    before = prepare_corpus(storage, specs[first], reference)
    made = prepare_corpora(storage, list(specs.values()), reference)
    assert made[first] == load_manifest(storage, f"corpora/{first}") == before
    train_a, held_a = split_of(storage, made["a"])
    train_b, held_b = split_of(storage, made["b"])
    assert not held_a & train_b
    assert not held_b & train_a
    later = made["b" if first == "a" else "a"]
    assert later.source["shared"] == {first: 200}
    assert later.source["trained_with_another"] + later.source["held_out_with_another"] > 30


@pytest.mark.usefixtures("in_process")
def test_without_shared_documents_nothing_changes(tmp_path: Path, corpus: Prepared) -> None:
    storage, spec, reference = corpus
    write_lines(tmp_path / "z.jsonl", texts(200, seed=9))
    other = dataclasses.replace(
        spec, name="z", source=TextSource((f"{tmp_path}/z.jsonl",)), seed=11
    )
    spec = dataclasses.replace(spec, source=TextSource((f"{tmp_path}/a.jsonl",)))
    alone = prepare_corpus(Storage(tmp_path / "alone"), spec, storage.full_path(reference))
    made = prepare_corpora(storage, [spec, other], reference)
    assert made["c"].fingerprint == alone.fingerprint
    assert made["c"].source["shared"] == {}
    assert not [s for m in made.values() for s in sentences(m)]


@pytest.mark.usefixtures("in_process")
def test_corpora_prepared_apart_are_told(corpus: Prepared, specs: dict[str, CorpusSpec]) -> None:
    storage, _, reference = corpus
    made = {name: prepare_corpus(storage, spec, reference) for name, spec in specs.items()}
    told = list(conflicts(storage, made))
    assert any("corpus a trains on" in s and "that corpus b holds out" in s for s in told)
    path = f"corpora/a/{made['a'].source['documents'][0]['file']}"
    data = storage.read_bytes(path)
    storage.write_bytes(path, data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(InputError, match=r"00000\.bin: it does not match its checksum"):
        list(conflicts(storage, made))
    storage.remove(path)
    with pytest.raises(InputError, match=r"00000\.bin.*: the hashes .* missing"):
        list(conflicts(storage, made))
    # A corpus that an older raycl prepared has no hashes, and stays usable.
    made["a"].source.pop("documents")
    assert list(conflicts(storage, made)) == []


SPLITS = st.dictionaries(st.integers(0, 2**64 - 1) | st.integers(0, 20), st.booleans(), max_size=12)


@given(corpora=st.lists(SPLITS, min_size=4, max_size=4), at_once=st.sampled_from([3, 10**6]))
def test_no_document_is_held_out_here_and_trained_on_there(
    tmp_path_factory: pytest.TempPathFactory, corpora: list[dict[int, bool]], at_once: int
) -> None:
    storage = Storage(tmp_path_factory.mktemp("hashes"))

    def stored(number: int) -> HashedCorpus:
        held = [h for h, is_held in corpora[number].items() if is_held]
        train = [h for h, is_held in corpora[number].items() if not is_held]
        part = SplitHashes.of(np.array(train, np.uint64), np.array(held, np.uint64))
        storage.write_bytes(str(number), part.to_bytes())
        return HashedCorpus(storage, [str(number)])

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(agreement_module, "_AT_ONCE", at_once)
        found = agree({"n0": stored(0), "n1": stored(1)}, {"k2": stored(2), "k3": stored(3)})
    after = [dict(corpus) for corpus in corpora]
    for number in (0, 1):
        moves = found.moves[f"n{number}"]
        after[number] |= dict.fromkeys(moves.train.tolist(), False)
        after[number] |= dict.fromkeys(moves.held_out.tolist(), True)
        assert after[number].keys() == corpora[number].keys()
    trained_before = {h for k in (2, 3) for h, is_held in corpora[k].items() if not is_held}
    for one in (0, 1):
        for other in (o for o in range(4) if o != one):
            for h in after[one].keys() & after[other].keys():
                if after[one][h] != after[other][h]:
                    # Only where the earlier corpora disagree among themselves.
                    assert h in trained_before
                    assert any(corpora[k].get(h) for k in (2, 3))
    assert found.shared["n0", "n1"] == len(corpora[0].keys() & corpora[1].keys())
    held_and_trained = sum(
        corpora[2][h] and not corpora[3][h] for h in corpora[2] if h in corpora[3]
    )
    assert found.conflicts.get(("k2", "k3"), 0) == held_and_trained
