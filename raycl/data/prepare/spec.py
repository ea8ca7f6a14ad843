"""The input and settings of a corpus, and the check whether a stored corpus was made from them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from raycl.data.binding import is_bound
from raycl.data.manifest import Manifest, has_manifest, load_manifest
from raycl.data.prepare.inputs import find_files
from raycl.data.prepare.source import InputFile, TextSource
from raycl.errors import InputError
from raycl.storage import Storage, layout
from raycl.storage.urls import CORPUS_NAME


@dataclass(frozen=True)
class CorpusSpec:
    """A corpus to prepare.

    `validation` is the share of documents held out, `unknown` the share of the text's bytes that
    the tokenizer may be unable to write.
    """

    name: str
    source: TextSource
    sequence_length: int
    validation: Fraction | float = Fraction(1, 200)
    seed: int = 0
    shard_tokens: int = 2**25
    unknown: Fraction = Fraction(1, 1000)

    def __post_init__(self) -> None:
        where = f"corpus {self.name!r}"
        if not re.fullmatch(CORPUS_NAME, self.name):
            raise InputError(where, "not a usable name", "Use letters, digits, '.', '_' and '-'")
        object.__setattr__(self, "validation", Fraction(str(self.validation)))
        if not 0 < self.validation < 1:
            raise InputError(
                f"{where}: validation {float(self.validation):g}",
                "not a share of the documents",
                "Give a number between 0 and 1, such as 0.005",
            )
        for field, least in (("sequence_length", 1), ("seed", 0), ("shard_tokens", 1)):
            if getattr(self, field) < least:
                raise InputError(
                    f"{where}: {field} {getattr(self, field)}", "too small", f"Give {least} or more"
                )

    @property
    def folder(self) -> str:
        """Where the corpus lies in storage."""
        return layout.corpus(self.name)


def prepared(storage: Storage, spec: CorpusSpec, tokenizer_fingerprint: str) -> Manifest | None:
    """The manifest of the finished corpus; None where there is none.

    Raises InputError where it was made from other input, settings or another tokenizer. Where the
    input cannot be found, only the rest is compared, so that a corpus outlives its text.
    """
    if not has_manifest(storage, spec.folder):
        return None
    manifest = load_manifest(storage, spec.folder)
    check_origin(storage, spec, manifest, tokenizer_fingerprint)
    return manifest


def check_origin(
    storage: Storage, spec: CorpusSpec, manifest: Manifest, tokenizer_fingerprint: str
) -> None:
    """Raise InputError where the corpus was made from other input or settings than `spec` says."""
    try:
        files = find_files(spec.source)
    except InputError:
        files = None
    wanted = record_of(spec, files)
    made_from = {key: manifest.source.get(key) for key in wanted}
    if files is None:
        made_from["files"] = wanted["files"] = None
    else:
        # The same files may be named by other patterns.
        made_from["patterns"] = wanted["patterns"]
    wanted["tokenizer"], made_from["tokenizer"] = tokenizer_fingerprint, manifest.tokenizer
    changed = [key for key in wanted if wanted[key] != made_from[key]]
    if changed:
        raise _other_corpus(storage, spec, changed, made_from, wanted)


def record_of(spec: CorpusSpec, files: list[InputFile] | None) -> dict[str, Any]:
    """Everything that determines the content of a corpus, as plain JSON values."""
    return {
        "patterns": list(spec.source.files),
        "text_field": spec.source.text_field,
        "format": spec.source.format,
        "document_separator": spec.source.document_separator,
        "validation": str(spec.validation),
        "seed": spec.seed,
        "sequence_length": spec.sequence_length,
        "shard_tokens": spec.shard_tokens,
        "files": None if files is None else [file.version for file in files],
    }


def _other_corpus(
    storage: Storage,
    spec: CorpusSpec,
    changed: list[str],
    old: dict[str, Any],
    new: dict[str, Any],
) -> InputError:
    differences = [
        "the input files" if key == "files" else f"{key} ({old[key]!r}, now {new[key]!r})"
        for key in changed
    ]
    problem = f"it was prepared from other input or settings: {', '.join(differences)} differ"
    remedy = "Give the new data another corpus name"
    if is_bound(storage, spec.name):
        problem += "; and nodes have been trained on it"
    else:
        remedy += f", or remove the folder {storage.full_path(spec.folder)}"
    return InputError(f"corpus {spec.name!r}", problem, remedy)
