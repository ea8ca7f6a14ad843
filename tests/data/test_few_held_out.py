"""The warning where few documents are held out, and the share that it names."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from raycl.data.few_held_out import few_held_out, share_text
from raycl.data.manifest import Manifest, Split
from tests.helpers.manifests import small_manifest


def manifest(train: int, held_out: int) -> Manifest:
    splits = [replace(Split((), 0, 0, 0, 0), documents=n) for n in (train, held_out)]
    return small_manifest("web", 64, 17, *splits).model_copy(update={"source": {"files": []}})


def test_six_documents_are_too_few() -> None:
    (sentence,) = few_held_out([manifest(144, 6), manifest(970, 30)])
    assert sentence.startswith("corpus web: 6 documents are held out, fewer than 30")
    assert "`validation: 24%` holds out about 36" in sentence


def test_a_text_of_few_documents_needs_more_of_them() -> None:
    (sentence,) = few_held_out([manifest(3, 1)])
    assert "1 document is held out" in sentence
    assert "more than 4 documents" in sentence
    assert "document_separator" in sentence


def test_shards_from_elsewhere_do_not_tell_their_documents() -> None:
    assert not few_held_out([manifest(3, 1).model_copy(update={"source": {}})])


@pytest.mark.parametrize(
    ("share", "text"),
    [("1/20", "5%"), ("51/1000", "6%"), ("1/1234", "0.082%"), ("1/100", "1%"), ("1/200", "0.5%")],
)
def test_shares_are_rounded_up(share: str, text: str) -> None:
    assert share_text(Fraction(share)) == text
