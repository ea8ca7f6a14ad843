"""A stored state in lm-evaluation-harness (the `evaluation` extra), offline where it can be.

Scores are kept in storage and read again while nothing about the task has changed: shots, limit,
version of the harness, content of a local task.
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

import transformers

from raycl.data.held_out import stored_tokenizer
from raycl.data.manifest import load_manifest
from raycl.data.prepare.tokenizer import end_of_document
from raycl.errors import InputError
from raycl.evaluation.losses import Measure, corpora_for, state_tokenizer
from raycl.evaluation.store import TaskScores, read_task, write_task
from raycl.evaluation.task_requests import TaskRequest, requests
from raycl.states.lookup import find_state
from raycl.storage import Storage, layout, scratch_folder
from raycl.train.checkpoint.load import export_hugging_face, read_state
from raycl.train.world import current_world

_BOOTSTRAPS = 1000
_BATCH = 8


def check_harness() -> str:
    """Version of the installed harness. Raises InputError without it."""
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
    """The scores of a state in every task that `words` name (see task_requests), by task.

    `corpora` are those that local tasks are made from (default: all that fit the state); `limit`
    is the number of questions of each task, for a quick look. Raises InputError: no harness, an
    unknown state, corpus or task, a task whose data cannot be got.
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
    # Before the harness is imported: it must neither talk nor use threads of its own.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    from lm_eval.tasks import TaskManager

    folders = sorted({request.folder for request in wanted if request.folder})
    # Reading the harness' own thousands of tasks takes seconds.
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
        write_task(storage, name, scores[request.name])
    return scores


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the harness' bars, one for every few rows; what goes wrong is raised anyway."""
    with redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
        yield


def harness_model(storage: Storage, name: str, folder: Path) -> Any:
    """The harness' own model of a state, with raycl's tokens: no start token, windows as trained.

    The exported model and its tokenizer are written into `folder`.
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
    """Tokens that the state was trained to predict from, as its corpora say."""
    lengths = [
        load_manifest(storage, layout.corpus(corpus)).row_length - 1
        for corpus in corpora_for(storage, name)
    ]
    return max(lengths)


def _export(storage: Storage, name: str, folder: Path) -> int:
    """Model and tokenizer as a Hugging Face folder; the id of the token that ends a document."""
    fingerprint = state_tokenizer(storage, read_state(storage, name))
    if fingerprint is None:
        raise InputError(
            f"state {name}",
            "none of its corpora is in storage, so its tokenizer is not known",
            "Restore one of them",
        )
    tokenizer = stored_tokenizer(storage, fingerprint)
    end = end_of_document(tokenizer)
    export_hugging_face(storage, name, folder)
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=tokenizer.id_to_token(end),
        clean_up_tokenization_spaces=False,
    ).save_pretrained(folder)
    return end


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
    except (OSError, ConnectionError) as error:  # what datasets and the hub client raise offline
        raise InputError(
            f"--tasks {request.name!r}",
            f"its data cannot be got ({str(error).strip().splitlines()[0]})",
            "Run it once with a network, set HF_HOME to where the data is, or use local tasks",
        ) from error
    return flat_metrics(results["results"][request.name])


@contextmanager
def _without_environment_report() -> Iterator[None]:
    """For each task the harness would list all installed packages by pip: seconds, unused."""
    from lm_eval import evaluator

    report = evaluator.add_env_info
    evaluator.add_env_info = lambda _: None
    try:
        yield
    finally:
        evaluator.add_env_info = report


def flat_metrics(result: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, float]]:
    """The harness' `acc,none` and `acc_stderr,none` as metrics and standard errors by plain name.

    A filter that is not `none` stays behind the name of the metric, as in the harness.
    """
    metrics: dict[str, float] = {}
    errors: dict[str, float] = {}
    for key, value in result.items():
        name, comma, filtered = key.partition(",")
        if not comma or isinstance(value, str):
            continue
        target = errors if name.endswith("_stderr") else metrics
        plain = name.removesuffix("_stderr")
        target[plain if filtered == "none" else f"{plain},{filtered}"] = float(value)
    return metrics, errors
