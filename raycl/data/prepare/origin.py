"""What a corpus was made from: the record of it, and the check whether it is still the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from raycl.data.binding import is_bound
from raycl.data.manifest import Manifest, has_manifest, load_manifest
from raycl.data.prepare.dataset_origin import (
    DATASET,
    commit_of,
    is_pinned,
    is_the_same_choice,
    recorded_choice,
)
from raycl.data.prepare.digests import digests, is_settled
from raycl.data.prepare.inputs import ForeignFileError, find_files
from raycl.data.prepare.passed_over import PASSED_OVER
from raycl.data.prepare.source import InputFile, TextSource
from raycl.data.prepare.spec import CorpusSpec
from raycl.errors import InputError
from raycl.storage import Storage

_HELD_OUT = "held_out_seed"


@dataclass(frozen=True)
class ReadFile:
    """An input file and the SHA-256 of its bytes."""

    file: InputFile
    sha256: str

    @property
    def content(self) -> list[Any]:
        """What determines the documents in it, wherever it lies."""
        return [self.sha256, self.file.format, self.file.compression]

    def recorded(self) -> dict[str, Any]:
        """The file in a manifest; its times are left out while another change might keep them."""
        settled = is_settled(self.file)
        return {
            "url": self.file.url,
            "size": self.file.size,
            "modified": self.file.modified if settled else 0,
            "changed": self.file.changed if settled else 0,
            "inode": self.file.inode if settled else 0,
            "format": self.file.format,
            "compression": self.file.compression,
            "sha256": self.sha256,
        }


def read_files(files: list[InputFile], hashes: dict[str, str]) -> list[ReadFile]:
    """The files in an order that their places and names have no part in."""
    found = [ReadFile(file, hashes[file.url]) for file in files]
    return sorted(found, key=lambda read: (str(read.content), read.file.url))


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
    wanted = settings_of(spec)
    if _HELD_OUT in manifest.source:  # else it is compared only where it is wanted
        wanted[_HELD_OUT] = spec.split_seed
    made_from = {key: manifest.source.get(key) for key in wanted}
    if made_from.get(_HELD_OUT, ...) is None:
        made_from[_HELD_OUT] = manifest.source.get("seed")
    wanted["tokenizer"], made_from["tokenizer"] = tokenizer_fingerprint, manifest.tokenizer
    differences = [
        f"{key} ({made_from[key]!r}, now {wanted[key]!r})"
        for key in wanted
        if wanted[key] != made_from[key]
    ]
    passed_over = sum(manifest.source.get(PASSED_OVER, {}).get("records", {}).values())
    if passed_over and spec.source.on_bad_record != "skip":
        differences.append(
            f"on_bad_record ('skip', which passed over {passed_over:,} records, now "
            f"{spec.source.on_bad_record!r})"
        )
    remedies: list[str] = []
    recorded = manifest.source.get("files") or []
    files, all_there = ([], False) if is_pinned(spec.source, manifest) else _found(spec.source)
    if all_there and _has_times_only(recorded):
        reader, then = spec.source.format, manifest.source.get("format", "auto")
        differences += [f"format ({then!r}, now {reader!r})"] if reader != then else []
        differences += _different_times(files, recorded, remedies)
    elif all_there:
        differences += _different_files(files, recorded)
    elif files and not _has_times_only(recorded):
        differences += _different_content(files, recorded)
    elif not files and spec.source.dataset and not is_the_same_choice(spec.source, manifest):
        differences.append(f"the dataset (it cannot be looked up: {spec.source.files[0]})")
    if differences and (commit := commit_of(manifest)):
        remedies.append(f"Its text is that of `revision: {commit}`")
    if differences:
        raise _other_corpus(storage, spec, differences, remedies)


def settings_of(spec: CorpusSpec) -> dict[str, Any]:
    """The settings that determine the content of a corpus, beside its files."""
    # Only where it differs, so that all that was prepared before is as it was.
    held_out = {} if spec.split_seed == spec.seed else {_HELD_OUT: spec.split_seed}
    return {
        **held_out,
        "text_field": spec.source.text_field,
        "document_separator": spec.source.document_separator,
        "validation": str(spec.validation),
        "seed": spec.seed,
        "sequence_length": spec.sequence_length,
        "shard_tokens": spec.shard_tokens,
    }


def record_of(spec: CorpusSpec, files: list[ReadFile]) -> dict[str, Any]:
    """The origin of a corpus as plain JSON values, for its manifest."""
    return {
        **settings_of(spec),
        "patterns": list(spec.source.files),
        "format": spec.source.format,
        "on_bad_record": spec.source.on_bad_record,
        DATASET: recorded_choice(spec.source),
        "files": [file.recorded() for file in files],
    }


def _found(source: TextSource) -> tuple[list[InputFile], bool]:
    """The input files that are there, and whether every pattern of the source finds some.

    Raises ForeignFileError for a file that has come to them and could not be prepared.
    """
    try:
        return find_files(source), True
    except ForeignFileError:
        raise
    except InputError:
        if source.dataset is not None:  # where no hub is, a second look waits as long again
            return [], False
        there = tuple(pattern for pattern in source.files if _is_there(source, pattern))
        return (find_files(replace(source, files=there)) if there else []), False


def _is_there(source: TextSource, pattern: str) -> bool:
    try:
        return bool(find_files(replace(source, files=(pattern,))))
    except ForeignFileError:
        raise
    except InputError:
        return False


def _has_times_only(recorded: list[Any]) -> bool:
    """Whether an older raycl wrote the manifest, which knew files by place, size and time."""
    return any(isinstance(entry, list) for entry in recorded)


def _different_files(files: list[InputFile], recorded: list[dict[str, Any]]) -> list[str]:
    sizes, sizes_now = [entry["size"] for entry in recorded], [file.size for file in files]
    if sorted(sizes) != sorted(sizes_now):
        return [f"the input files ({_amount(sizes)} then, {_amount(sizes_now)} now)"]
    return _different_content(files, recorded)


def _different_content(files: list[InputFile], recorded: list[dict[str, Any]]) -> list[str]:
    """What differs where each of the files has to be one of those that were recorded."""
    facts = ("url", "size", "modified", "changed", "inode")
    known = {tuple(entry[fact] for fact in facts): entry["sha256"] for entry in recorded}
    now = read_files(files, digests(files, known))
    then = [[entry["sha256"], entry["format"], entry["compression"]] for entry in recorded]
    if not Counter(str(read.content) for read in now) - Counter(map(str, then)):
        return []
    changed = [read.file.url for read in now if read.content not in then]
    return [f"the input files (the content of {_few(changed or [files[0].url])})"]


def _different_times(files: list[InputFile], recorded: list[Any], remedies: list[str]) -> list[str]:
    then = {entry[0]: entry for entry in recorded}
    now = {file.url: [file.url, file.size, file.modified] for file in files}
    changed = sorted(url for url in {*then, *now} if then.get(url) != now.get(url))
    if not changed:
        return []
    same_size = [u for u in changed if u in then and u in now and then[u][1] == now[u][1]]
    if same_size:
        place, _, time = then[same_size[0]]
        remedies.append(
            "The corpus is older than the checksums of input files, so that only their times tell "
            "whether they changed. If the text is the same, set them back: "
            f"touch -d @{time // 10**9}.{time % 10**9:09d} {place}"
        )
    return [f"the input files ({_few(changed)})"]


def _amount(sizes: list[int]) -> str:
    return f"{len(sizes)} of {sum(sizes):,} bytes"


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _other_corpus(
    storage: Storage, spec: CorpusSpec, differences: list[str], remedies: list[str]
) -> InputError:
    problem = f"it was prepared from other input or settings: {', '.join(differences)} differ"
    remedy = "Give the new data another corpus name"
    if is_bound(storage, spec.name):
        problem += "; and nodes have been trained on it"
    else:
        remedy += f", or remove the folder {storage.full_path(spec.folder)}"
    return InputError(f"corpus {spec.name!r}", problem, ". ".join([remedy, *remedies]))
