"""Reads everything that a storage holds, and checks it: what `raycl states --verify` does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial

from raycl.data.binding import BindingRecord
from raycl.data.prepare.train_tokenizer import TokenizerRequest
from raycl.data.verify import corpus_faults, tokenizer_faults
from raycl.errors import InputError
from raycl.evaluation.store import read_losses, read_task
from raycl.models.extension_request import ExtensionRequest
from raycl.models.store import verify_start
from raycl.recipe.resolution import stored_resolution
from raycl.recipe.stored_recipe import read_recipe
from raycl.results.table import read_results
from raycl.states.tree_record import read_tree_record
from raycl.states.verify import state_faults
from raycl.storage import Storage, layout
from raycl.storage.reading import is_file
from raycl.storage.record import read_record
from raycl.sweep.steering.record import Failure, Request
from raycl.watch.live_record import LiveNode

_READERS = 8
"""Checks at once. Each holds at most a piece of a file in memory, or a history."""
_TELL_SECONDS = 10.0

Check = Callable[[], Iterable[InputError]]
Report = Callable[[str], None]


@dataclass(frozen=True)
class Verified:
    """What came out of reading a whole storage."""

    checked: int
    """States, corpora, tokenizers and records that were checked."""
    damaged: tuple[str, ...]
    """A sentence for each fault: the file, what is wrong, and what to do."""


def verify_storage(storage: Storage, report: Report = lambda _: None) -> Verified:
    """Read every state, corpus, tokenizer and record of a storage, and check it.

    `report` hears every ten seconds how far it is. What is being written at the same time, by a
    sweep or a preparation, is not there yet and is passed over.
    """
    checks = list(_checks(storage))
    damaged: dict[str, None] = {}  # each once: a tokenizer may belong to several corpora
    told = time.monotonic()
    with ThreadPoolExecutor(_READERS) as pool:
        running = [pool.submit(_faults, check) for check in checks]
        for done, future in enumerate(as_completed(running), start=1):
            damaged.update(dict.fromkeys(future.result()))
            if time.monotonic() - told >= _TELL_SECONDS:
                told = time.monotonic()
                report(f"{done} of {len(checks)} checked, {len(damaged)} faults so far")
    return Verified(len(checks), tuple(sorted(damaged)))


def _faults(check: Check) -> list[str]:
    return [str(fault) for fault in check()]


def _checks(storage: Storage) -> Iterator[Check]:
    """A check for each thing that the storage holds, without reading any of them yet."""
    for name in storage.list(layout.STATES):
        if _lists(storage, layout.state(name), layout.STATE_MARK):
            yield partial(state_faults, storage, name)
    for name in storage.list(layout.CORPORA):
        if _lists(storage, layout.corpus(name), layout.CORPUS_MANIFEST):
            yield partial(corpus_faults, storage, name)
    for name in storage.list(layout.TOKENIZERS):
        if storage.exists(layout.tokenizer(name)):
            yield partial(tokenizer_faults, storage, name)
    for name in storage.list(layout.STARTS):
        if storage.exists(layout.start_mark(name)):
            yield _reading(partial(_read_start, storage, name))
    for path in _files(storage, layout.BINDINGS):
        yield _reading(partial(read_record, storage, path, BindingRecord))
    for path in _files(storage, layout.TOKENIZER_REQUESTS):
        yield _reading(partial(read_record, storage, path, TokenizerRequest))
    for path in _files(storage, layout.EXTENSION_REQUESTS):
        yield _reading(partial(read_record, storage, path, ExtensionRequest))
    for path in _files(storage, layout.STEERING):
        yield _reading(partial(read_record, storage, path, Request))
    for path in _files(storage, layout.FAILURES):
        yield _reading(partial(read_record, storage, path, Failure))
    for path in _files(storage, layout.LIVE):
        yield _reading(partial(read_record, storage, path, LiveNode))
    for name in storage.list(layout.EVALUATIONS):
        if is_file(storage, layout.evaluations(name)):  # of something else, such as .DS_Store
            continue
        yield _reading(partial(read_losses, storage, name))
        for file in storage.list(layout.evaluated_tasks(name)):
            yield _reading(partial(read_task, storage, name, file.removesuffix(".json")))
    for name in storage.list(layout.SWEEPS):
        yield from _sweep_checks(storage, name)


def _sweep_checks(storage: Storage, name: str) -> Iterator[Check]:
    if storage.exists(layout.sweep_recipe(name)) or storage.exists(layout.sweep_tree(name)):
        yield _reading(partial(read_recipe, storage, name))
        yield _reading(partial(stored_resolution, storage, name))
        yield _reading(partial(read_tree_record, storage, name))
    if storage.exists(layout.sweep_results(name, "parquet")):
        yield _reading(partial(read_results, storage, name))


def _read_start(storage: Storage, identifier: str) -> None:
    verify_start(storage, identifier)


def _lists(storage: Storage, folder: str, file: str) -> bool:
    """Whether the folder has an entry of this name, which may be a link to nothing."""
    try:
        return file in storage.list(folder)
    except InputError:  # a file in the place of the folder
        return False


def _files(storage: Storage, folder: str) -> list[str]:
    return [f"{folder}/{file}" for file in storage.list(folder) if file.endswith(".json")]


def _reading(read: Callable[[], object]) -> Check:
    """The check that a file can be read; its reader compares what it reads."""

    def check() -> Iterator[InputError]:
        try:
            read()
        except InputError as error:
            yield error
        except FileNotFoundError as error:
            yield InputError(str(error.filename or error), "the file is missing", "Restore it")

    return check
