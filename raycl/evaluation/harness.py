"""Scores a stored state in lm-evaluation-harness (the `evaluation` extra).

Nothing here needs a network, except tasks whose data the harness downloads. Storage keeps the
scores. They are read again while shots, limit, version of the harness and the content of local
tasks and data are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transformers
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from raycl.data.manifest import load_manifest
from raycl.data.tokenizer import TextTokenizer
from raycl.evaluation.harness_tasks import load_tasks, task_manager
from raycl.evaluation.local_data import LocalData, local_data
from raycl.evaluation.losses import Measure, corpora_for, read_state_tokenizer
from raycl.evaluation.quiet import quiet
from raycl.evaluation.schemes import Schemes, check_harness, schemes, stored_scores
from raycl.evaluation.store import TaskScores, write_task
from raycl.evaluation.task_requests import TaskRequest, requests
from raycl.evaluation.wanted_tasks import WantedTasks
from raycl.states.lookup import find_state
from raycl.storage import Storage, layout, scratch_folder
from raycl.train.checkpoint.export import export_hugging_face
from raycl.train.checkpoint.stored_state import read_state
from raycl.train.parallel.world import current_world

_BOOTSTRAPS = 1000
_BATCH = 8


def score_state(  # noqa: PLR0913 (what `raycl evaluate --tasks` can say)
    storage: Storage,
    name: str,
    words: Sequence[str],
    corpora: Sequence[str] | None = None,
    limit: int | None = None,
    report: Callable[[str], None] = lambda _: None,
    data: Path | None = None,
) -> dict[str, TaskScores]:
    """The scores of a state in every task that `words` name (see `task_requests`), by task.

    Local tasks are made from `corpora` (default: all that fit the state). `limit` is the number of
    questions of each task, for a quick look. `data` is a folder with copies of the tasks' data
    sets; nothing is asked of a network then. Raises InputError where the harness is not installed,
    where a state, corpus or task is unknown, and, before the model is loaded, where the data of a
    task cannot be got.
    """
    check_harness()
    name = find_state(storage, name)
    corpora = corpora or corpora_for(storage, name)
    with scratch_folder("harness") as scratch, _data(data, Path(scratch)) as local:
        asked = requests(words, storage, corpora, Path(scratch))
        return _Scorer(storage, name, Path(scratch), report, local).scores(asked, limit)


def score_wanted(storage: Storage, name: str, wanted: WantedTasks) -> None:
    """Store the scores of a state in the tasks of a search's objective that it lacks.

    Raises InputError as `score_state` does.
    """
    check_harness(wanted.where)
    with scratch_folder("harness") as scratch, wanted.local(Path(scratch)) as local:
        scorer = _Scorer(storage, name, Path(scratch), lambda _: None, local)
        asked = wanted.requests(storage, Path(scratch))
        for limit in dict.fromkeys(task.limit for task in asked):
            scorer.scores([asked[task] for task in asked if task.limit == limit], limit)


def _data(folder: Path | None, scratch: Path) -> AbstractContextManager[LocalData | None]:
    if folder is None:
        return nullcontext()
    return local_data(folder, scratch / ".datasets")


@dataclass(frozen=True)
class _Scorer:
    """Scores one state."""

    storage: Storage
    name: str
    scratch: Path
    report: Callable[[str], None]
    data: LocalData | None

    def scores(self, asked: Sequence[TaskRequest], limit: int | None) -> dict[str, TaskScores]:
        """The scores in tasks, by task: those of storage, and the others, which are stored too."""
        tasks: dict[TaskRequest, Any] = {}
        digests = {request: request.digest for request in asked}
        if self.data is not None:  # what tasks read decides whether stored scores are theirs
            tasks, digests = load_tasks(asked, task_manager(asked), self.data)
        wanted = schemes(digests, limit, check_harness())
        scores, missing = stored_scores(self.storage, self.name, wanted)
        if missing and self.data is None:
            tasks, _ = load_tasks(list(missing), task_manager(list(missing)), None)
        if missing:
            scores |= self._score(missing, tasks)
        return {request.name: scores[request.name] for request in asked}

    def _score(self, wanted: Schemes, tasks: Mapping[TaskRequest, Any]) -> dict[str, TaskScores]:
        """The scores in the wanted tasks, which are stored too."""
        with quiet():
            model = harness_model(self.storage, self.name, self.scratch / "model")
        scores = {}
        for number, (request, scheme) in enumerate(wanted.items(), 1):
            self.report(f"{request.name}: task {number} of {len(wanted)}")
            with quiet():
                metrics, errors = _evaluate(request, scheme.limit, model, tasks[request])
            found = {"metrics": metrics, "errors": errors}
            scores[request.name] = scheme.model_copy(update=found)
            # Written after each task, so that an interruption loses the current one only.
            write_task(self.storage, self.name, scores[request.name])
        return scores


def harness_model(storage: Storage, name: str, folder: Path) -> Any:
    """The harness' model object for a state, which treats tokens as raycl does.

    A text begins with the token that begins documents, where the tokenizer has one, and its windows
    are as long as the training's sequences. The exported model is written into `folder`.
    """
    from raycl.evaluation.harness_model import StateModel

    state, world = read_state(storage, name), current_world()
    tokenizer = read_state_tokenizer(storage, read_state(storage, name))
    export_hugging_face(storage, name, folder)
    return StateModel(
        pretrained=str(folder),
        tokenizer=hugging_face_tokenizer(tokenizer),
        device=str(world.device),
        dtype=str(Measure.of(state, world).dtype).removeprefix("torch."),
        batch_size=_BATCH,
        max_length=sequence_length(storage, name),
        add_bos_token=tokenizer.begin is not None,
        prefix_token_id=tokenizer.prefix,
    )


def sequence_length(storage: Storage, name: str) -> int:
    """The training's sequence length in tokens, as the rows of the state's corpora have it."""
    lengths = [
        load_manifest(storage, layout.corpus(corpus)).row_length - 1
        for corpus in corpora_for(storage, name)
    ]
    return max(lengths)


def hugging_face_tokenizer(tokenizer: TextTokenizer) -> Any:
    """The tokenizer as transformers has them; what is text in its corpora is text in it, too."""
    plain = tokenizer.policy.control_tokens == "text"
    encoder = Tokenizer.from_str(tokenizer.encoder.to_str())
    encoder.encode_special_tokens = plain
    end, begin = encoder.id_to_token(tokenizer.end), encoder.id_to_token(tokenizer.prefix)
    if tokenizer.begin is not None:
        encoder.post_processor = TemplateProcessing(
            single=[begin, "$A"], special_tokens=[(begin, tokenizer.begin)]
        )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=encoder,
        eos_token=end,
        bos_token=begin,
        split_special_tokens=plain,
        clean_up_tokenization_spaces=False,
    )


def _evaluate(
    request: TaskRequest, limit: int | None, model: Any, task: Any
) -> tuple[dict[str, float], dict[str, float]]:
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    with _without_environment_report():
        results = simple_evaluate(
            model=model,
            tasks=[task],
            num_fewshot=request.shots,
            limit=limit,
            task_manager=TaskManager(include_defaults=False),
            bootstrap_iters=_BOOTSTRAPS,
            log_samples=False,
        )
    return flat_metrics(results["results"][request.name])


@contextmanager
def _without_environment_report() -> Iterator[None]:
    """Keep the harness from listing all installed packages with pip, and from asking git.

    It does the first for each task, which takes seconds, and git complains on the terminal where
    the command runs in no repository. raycl uses neither.
    """
    from lm_eval import evaluator

    known = evaluator.add_env_info, evaluator.get_git_commit_hash
    evaluator.add_env_info = lambda _: None
    evaluator.get_git_commit_hash = lambda: None
    try:
        yield
    finally:
        evaluator.add_env_info, evaluator.get_git_commit_hash = known


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
