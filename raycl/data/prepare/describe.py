"""The manifest of a corpus, from what its packed buckets report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raycl.data.manifest import Manifest, Split, SplitName, fingerprinted
from raycl.data.prepare.origin import record_of
from raycl.data.prepare.pack_buckets import PackedBucket
from raycl.data.prepare.plan import PreparationPlan
from raycl.data.prepare.spec import CorpusSpec
from raycl.data.prepare.unwritten import UNWRITTEN, Unwritten
from raycl.errors import InputError


def describe_corpus(
    plan: PreparationPlan,
    packed: list[PackedBucket],
    facts: Mapping[str, Any],
    unwritten: Unwritten,
) -> Manifest:
    """The manifest of the packed corpus; `facts` is what else it says of the text.

    `unwritten` counts what the tokenizer could not write. Raises InputError where a split has no
    row.
    """
    spec = plan.job.spec
    counts: dict[str, Any] = {
        UNWRITTEN: unwritten.model_dump(),
        "duplicates": sum(bucket.duplicates for bucket in packed),
        "unused_tokens": sum(bucket.unused_tokens for bucket in packed),
    }
    manifest = Manifest(
        name=spec.name,
        tokenizer=plan.job.tokenizer,
        vocabulary=plan.vocabulary,
        dtype="uint16" if plan.job.spool.dtype == "uint16" else "uint32",
        row_length=spec.sequence_length + 1,
        seed=spec.seed,
        source={
            **record_of(spec, plan.files),
            **counts,
            **facts,
            "documents": [bucket.hashes.model_dump() for bucket in packed],
        },
        train=_split(spec, "train", packed),
        validation=_split(spec, "validation", packed),
        fingerprint="",
    )
    return fingerprinted(manifest)


def _split(spec: CorpusSpec, name: SplitName, packed: list[PackedBucket]) -> Split:
    buckets = [bucket for bucket in packed if bucket.split == name]
    found = tuple(bucket.shard for bucket in buckets if bucket.shard)
    split = Split(
        shards=found,
        rows=sum(shard.rows for shard in found),
        documents=sum(bucket.documents for bucket in buckets),
        tokens=sum(bucket.tokens for bucket in buckets),
        bytes=sum(bucket.bytes for bucket in buckets),
    )
    where = f"corpus {spec.name!r}: {name}"
    all_documents = sum(bucket.documents for bucket in packed)
    if split.documents == 0:
        raise InputError(
            where,
            f"none of the {all_documents} documents fell to it (validation = {spec.validation})",
            "Give more documents or another share for `validation`; a text file is one document "
            "unless `document_separator` is set",
        )
    if split.rows == 0:
        raise InputError(
            where,
            f"its {split.tokens} tokens do not fill one row of {spec.sequence_length + 1}",
            "Give more text, another share for `validation`, or a smaller sequence_length",
        )
    return split
