"""Scores a stored state in lm-evaluation-harness (the `evaluation` extra).

Nothing here needs a network, except tasks whose data the harness downloads. Storage keeps the
scores. They are read again while shots, limit, version of the harness and content of a local task
are the same.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from raycl.data.held_out import stored_tokenizer
from raycl.data.manifest import load_manifest
from raycl.data.prepare.tokenizer import end_of_document
from raycl.errors import InputError
from raycl.evaluation.export import export_tokenizer
from raycl.evaluation.losses import Measure, corpora_for, state_tokenizer
from raycl.evaluation.store import TaskScores, read_task, write_task
from raycl.evaluation.task_requests import TaskRequest, requests
from raycl.states.lookup import find_state
from raycl.storage import Storage, layout, scratch_folder
from raycl.train.checkpoint.load import export_hugging_face
from raycl.train.checkpoint.stored_state import read_state
from raycl.train.world import current_world

_BOOTSTRAPS = 1000
_BATCH = 8


def check_harness() -> str:
    """Version of the installed harness. Raises InputError where it is not installed."""
    try:
        return version("lm_eval")
    except PackageNotFoundError as error:
        raise InputError(
            "--tasks", "lm-evaluation-harness is not installed", "pip install 'raycl[evaluation]'"
        ) from error


def score_state(
    storage: Storage,
    name: str,
    words: Sequence[str],
    corpora: Sequence[str] | None = None,
    limit: int | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, TaskScores]:
    """The scores of a state in every task that `words` name (see `task_requests`), by task.

    Local tasks are made from `corpora` (default: all that fit the state). `limit` is the number of
    questions of each task, for a quick look. Raises InputError where the harness is not installed,
    where a state, corpus or task is unknown, and where the data of a task cannot be got.
    """
    release, name = check_harness(), find_state(storage, name)
    corpora = corpora or corpora_for(storage, name)
    with scratch_folder("harness") as scratch:
        asked = requests(words, storage, corpora, Path(scratch))
        stored = {request.name: read_task(storage, name, request.name) for request in asked}
        wanted = {
            request: TaskScores(
                task=request.name,
                shots=request.shots,
                limit=limit,
                harness=release,
                digest=request.digest,
                metrics={},
                errors={},
            )
            for request in asked
        }
        # Stored scores hold for a request if everything but the results is the same.
        empty: dict[str, Any] = {"metrics": {}, "errors": {}}
        scores = {
            request.name: kept
            for request, scheme in wanted.items()
            if (kept := stored[request.name]) and kept.model_copy(update=empty) == scheme
        }
        missing = {r: scheme for r, scheme in wanted.items() if r.name not in scores}
        if missing:
            scores |= _score(storage, name, missing, Path(scratch), report)
    return {request.name: scores[request.name] for request in asked}


def _score(
    storage: Storage,
    name: str,
    wanted: Mapping[TaskRequest, TaskScores],
    scratch: Path,
    report: Callable[[str], None],
) -> dict[str, TaskScores]:
    # Set before the harness is imported, so that it neither logs nor starts threads of its own.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    from lm_eval.tasks import TaskManager

    folders = sorted({request.folder for request in wanted if request.folder})
    # The harness has thousands of tasks of its own. Reading them takes seconds, so it is done only
    # where one of them is asked for.
    own = any(request.folder is None for request in wanted)
    manager = TaskManager(include_path=list(folders), include_defaults=own)
    _check_known(wanted, manager.all_tasks)
    with _quiet():
        model = harness_model(storage, name, scratch / "model")
    scores = {}
    for number, (request, scheme) in enumerate(wanted.items(), 1):
        report(f"{request.name}: task {number} of {len(wanted)}")
        with _quiet():
            metrics, errors = _evaluate(request, scheme.limit, model, manager)
        found = {"metrics": metrics, "errors": errors}
        scores[request.name] = scheme.model_copy(update=found)
        # Written after each task, so that an interruption loses the current one only.
        write_task(storage, name, scores[request.name])
    return scores


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide the harness' output, a progress bar for every few rows. Errors are raised anyway."""
    with redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
        yield


def harness_model(storage: Storage, name: str, folder: Path) -> Any:
    """The harness' model object for a state, which treats tokens as raycl does.

    It adds no start token, and its windows are as long as the training's sequences. The exported
    model and its tokenizer are written into `folder`.
    """
    from lm_eval.models.huggingface import HFLM

    state, world = read_state(storage, name), current_world()
    tokenizer = _export(storage, name, folder)
    return HFLM(
        pretrained=str(folder),
        device=str(world.device),
        dtype=str(Measure.of(state, world).dtype).removeprefix("torch."),
        batch_size=_BATCH,
        max_length=sequence_length(storage, name),
        add_bos_token=False,
        prefix_token_id=tokenizer,
    )


def sequence_length(storage: Storage, name: str) -> int:
    """The training's sequence length in tokens, as the rows of the state's corpora have it."""
    lengths = [
        load_manifest(storage, layout.corpus(corpus)).row_length - 1
        for corpus in corpora_for(storage, name)
    ]
    return max(lengths)


def _export(storage: Storage, name: str, folder: Path) -> int:
    """Write model and tokenizer as a Hugging Face folder; returns the end-of-document token."""
    fingerprint = state_tokenizer(storage, read_state(storage, name))
    # Without the tokenizer of its training, a state's token ids mean nothing.
    if fingerprint is None:
        raise InputError(
            f"state {name}",
            "none of its corpora is in storage, so its tokenizer is not known",
            "Restore one of them",
        )
    export_hugging_face(storage, name, folder)
    export_tokenizer(storage, fingerprint, folder)
    return end_of_document(stored_tokenizer(storage, fingerprint))


def _check_known(wanted: Mapping[TaskRequest, Any], known: Sequence[str]) -> None:
    for request in wanted:
        if request.name not in known:
            close = ", ".join(get_close_matches(request.name, known)) or "see `lm_eval ls tasks`"
            raise InputError(f"--tasks {request.name!r}", "the harness has no such task", close)


def _evaluate(
    request: TaskRequest, limit: int | None, model: Any, manager: Any
) -> tuple[dict[str, float], dict[str, float]]:
    from lm_eval import simple_evaluate

    try:
        with _without_environment_report():
            results = simple_evaluate(
                model=model,
                tasks=[request.name],
                num_fewshot=request.shots,
                limit=limit,
                task_manager=manager,
                bootstrap_iters=_BOOTSTRAPS,
                log_samples=False,
            )
    except (OSError, ConnectionError) as error:  # `datasets` and the hub client raise it offline
        raise InputError(
            f"--tasks {request.name!r}",
            f"its data cannot be got ({str(error).strip().splitlines()[0]})",
            "Run it once with a network, set HF_HOME to where the data is, or use local tasks",
        ) from error
    return flat_metrics(results["results"][request.name])


@contextmanager
def _without_environment_report() -> Iterator[None]:
    """Keep the harness from listing all installed packages with pip.

    It does so for each task, which takes seconds, and raycl does not use the list.
    """
    from lm_eval import evaluator

    report = evaluator.add_env_info
    evaluator.add_env_info = lambda _: None
    try:
        yield
    finally:
        evaluator.add_env_info = report


def flat_metrics(result: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, float]]:
    """Metrics and standard errors by plain name, from the harness' `acc,none`, `acc_stderr,none`.

    A filter other than `none` stays behind the name of the metric, as in the harness.
    """
    metrics: dict[str, float] = {}
    errors: dict[str, float] = {}
    for key, value in result.items():
        name, comma, filtered = key.partition(",")
        if not comma or isinstance(value, str):
            continue  # the task's alias, or "N/A" in place of a standard error
        target = errors if name.endswith("_stderr") else metrics
        plain = name.removesuffix("_stderr")
        target[plain if filtered == "none" else f"{plain},{filtered}"] = float(value)
    return metrics, errors
