"""A new model folder from an old one and text: more tokens, and rows for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from raycl.data.prepare.inputs import find_files
from raycl.data.prepare.source import TextSource
from raycl.data.prepare.train_tokenizer import sample_texts
from raycl.data.tokenizer.definition import token_ids
from raycl.data.tokenizer.extension import Extension, bytes_per_token, extend_tokenizer
from raycl.data.tokenizer.extension_record import ExtensionRecord, extension_record
from raycl.data.tokenizer.files import CONFIG, DEFINITION
from raycl.data.tokenizer.text_tokenizer import TextTokenizer, make_tokenizer
from raycl.errors import InputError
from raycl.models.read import read_start
from raycl.models.tokenizer import own_files
from raycl.storage.layout import START_EXTENSION
from raycl.storage.partial_folder import check_new, check_room, written_beside
from raycl.storage.record import record_bytes
from raycl.weights.vocabulary import extend_model

_SEED = 0
_WAYS = "Give --tokens 4000, or --token A, or --tokenizer DIR"


@dataclass(frozen=True)
class Growth:
    """What a vocabulary gets."""

    text: tuple[str, ...]
    """Patterns of text files, each a sample of its own."""
    learned: int
    """Tokens to learn from them."""
    named: tuple[str, ...]
    """Tokens that are given as they are."""
    initialize: str
    """`mean` or `weighted-mean`."""
    sample_bytes: int
    """Bytes of text that are read of each pattern."""


def extend_folder(model: str, to: Path, growth: Growth) -> Iterator[str]:
    """Write the extended model into the new folder `to`, whole or not at all; what is to be told.

    Raises InputError, before anything is written, where the model or the text cannot be used.
    """
    _check(growth, to)
    folder, base = model_and_tokenizer(model)
    samples = samples_of(growth.text, growth.sample_bytes)
    texts = (text for sample in samples.values() for text in sample)
    made = extend_tokenizer(base, texts, growth.learned, growth.named)
    record = extension_record(base, made, growth.named, growth.initialize)
    told: list[str] = []
    with written_whole(to, folder, told) as target:
        rows = write_extended(folder, target, base, made, record)
    yield from told
    yield f"{to}: {len(made.pieces):,} new tokens, {rows:,} rows in its embedding"
    yield from before_and_after(samples, base, made.tokenizer)


def model_and_tokenizer(model: str) -> tuple[Path, TextTokenizer]:
    """The folder of a model, and its tokenizer. Raises InputError where one of them is missing."""
    start = read_start(model, Path.cwd())
    files = own_files(start, None)
    if files is None or start.folder is None:
        raise InputError(model, "no tokenizer came with it", "Give a model with its tokenizer")
    return start.folder, make_tokenizer(files)


@contextmanager
def written_whole(to: Path, folder: Path, told: list[str]) -> Iterator[Path]:
    """A folder that becomes `to` at the end of the block, for a model as large as that in `folder`.

    What a killed command left beside it is replaced, and `told`. Raises InputError where the disk
    has no room.
    """
    check_room(to, sum(file.stat().st_size for file in folder.glob("*.safetensors")))
    with written_beside(to, told.append) as beside:
        yield beside


def before_and_after(
    samples: Mapping[str, Sequence[str]], old: TextTokenizer, new: TextTokenizer
) -> Iterator[str]:
    """A sentence for each sample on its tokens with both tokenizers."""
    for name, sample in samples.items():
        before, after = (bytes_per_token(tokenizer, sample) for tokenizer in (old, new))
        yield (
            f"{name}: {before:.2f} bytes per token before, {after:.2f} after "
            f"({1 / before:.3f} and {1 / after:.3f} tokens per byte)"
        )


def write_extended(
    folder: Path, target: Path, base: TextTokenizer, made: Extension, record: ExtensionRecord
) -> int:
    """Write the model in `folder` with all new tokens of `made` into `target`; its rows then.

    Raises InputError where its weights are not complete.
    """
    rows = extend_model(folder, target, made.pieces, piece_lengths(base, record.initialize))
    _write_tokenizer(made, target)
    (target / START_EXTENSION).write_bytes(record_bytes(record))
    return rows


def check_options(initialize: str, to: Path) -> None:
    """Raise InputError where the folder `to` holds something, or rows cannot be made so."""
    check_new(to)
    if initialize not in ("mean", "weighted-mean"):
        raise InputError(f"--initialize {initialize}", "unknown", "mean or weighted-mean")


def _check(growth: Growth, to: Path) -> None:
    check_options(growth.initialize, to)
    if not growth.learned and not growth.named:
        raise InputError("raycl models extend", "no new tokens", _WAYS)
    if growth.learned and not growth.text:
        raise InputError("--tokens", "there is no text to learn them from", "Give --text FILES")


def samples_of(text: Sequence[str], wanted: int) -> dict[str, list[str]]:
    """About `wanted` bytes of text of each pattern. Raises InputError where there is none."""
    sources = {name: TextSource((name,)) for name in text}
    return {n: list(sample_texts(s, find_files(s), wanted, _SEED)) for n, s in sources.items()}


def piece_lengths(base: TextTokenizer, initialize: str) -> dict[int, int] | None:
    """The weight of each old token in a mean, where it is weighted; None where all have one.

    Characters of the token as its vocabulary spells it; in a byte-level one these are bytes.
    """
    if initialize == "mean":
        return None
    return {number: len(token) for token, number in token_ids(base.definition).items()}


def _write_tokenizer(made: Extension, target: Path) -> None:
    files = made.tokenizer.files
    (target / DEFINITION).write_text(files.definition, encoding="utf-8")
    for name, content in files.beside:
        if name == CONFIG or name in files.kept:
            (target / name).write_bytes(content)
