"""The commands that measure stored states: `evaluate`, and `tasks` for use elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from raycl.cli import complete
from raycl.cli.options import States, StorageUrl
from raycl.cli.output import print_whole
from raycl.cluster.options import ClusterOptions
from raycl.errors import InputError
from raycl.evaluation.store import TaskScores
from raycl.storage import Storage, layout

Corpora = Annotated[
    list[str] | None, typer.Option("--corpus", help="Corpus; repeat it. Default: all that fit.")
]
Rows = Annotated[
    int | None, typer.Option(min=1, help="Validation rows; default: as in the state's training.")
]


def evaluate(  # noqa: PLR0913 (each is an option of the command)
    storage: StorageUrl,
    states: States = [],  # noqa: B006 (typer reads it and hands out a copy)
    sweep: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=complete.sweep_names,
            help="Sweep of the labels; default: the only one. With neither state nor label: the "
            "states at the ends of all its nodes.",
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            metavar="LABEL",
            autocompletion=complete.labels,
            help="The end of this recipe, or of `best`.",
        ),
    ] = None,
    corpora: Corpora = None,
    rows: Rows = None,
    tasks: Annotated[
        list[str] | None,
        typer.Option(
            help="Task of lm-evaluation-harness, paper-english, paper-german, cloze, "
            "bits-per-byte, or a folder of task YAMLs; repeat it."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder with copies of the tasks' data sets, in place of the hub."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Questions of each task.")] = None,
    address: Annotated[
        str | None, typer.Option(help="Ray cluster for tasks; default: one of our own.")
    ] = None,
    gpus: Annotated[bool, typer.Option(help="Tasks on GPUs, one for each state.")] = False,
) -> None:
    """Measure stored states on the validation rows of any corpus, as training measures them.

    Losses and scores that storage holds already are not computed again. `raycl report` then shows
    losses that a history lacks, such as those on a corpus that was added later, and losses on more
    rows than training used as soon as every finished recipe of a sweep has them.

    Example: `raycl evaluate best --storage runs/my --corpus legal`
    """
    place = Storage(storage)
    names = _named(place, states, sweep, label)
    # Tasks come first, so that a wrong name does not cost the measurement of losses.
    scores: Mapping[str, Mapping[str, TaskScores]] = {}
    if tasks:
        from raycl.evaluation.losses import validation_manifest
        from raycl.evaluation.schemes import check_harness
        from raycl.evaluation.task_requests import check_words

        check_harness()
        check_words(tasks)
        for corpus in corpora or ():
            validation_manifest(place, corpus)
        options = ClusterOptions(address, gpus=gpus)
        data = data and data.expanduser().absolute()
        scores = _scores(place, names, tasks, corpora, limit, options, data)
    elif data is not None:
        raise InputError(f"--data {data}", "no task is asked for", "Give --tasks too")
    console = Console()
    losses = {name: _losses(place, name, corpora, rows) for name in names}
    print_losses(place, losses, console)
    if scores:
        print_scores(scores, console)


def tasks(
    storage: StorageUrl,
    to: Annotated[Path, typer.Option(help="Folder for the tasks.")],
    corpora: Annotated[list[str], typer.Option("--corpus", help="Corpus; repeat it.")],
    items: Annotated[int, typer.Option(min=1, help="Cloze items a corpus, at most.")] = 500,
    documents: Annotated[int, typer.Option(min=1, help="Documents a corpus, at most.")] = 200,
    seed: Annotated[int, typer.Option(help="Draws the cloze items.")] = 0,
) -> None:
    """Write tasks for lm-evaluation-harness from held-out documents: a cloze, and bits/byte.

    Example: `raycl tasks --storage runs/my --to my-tasks --corpus german`
    """
    from raycl.evaluation.local_tasks import KINDS, TaskSizes, write_local_tasks
    from raycl.evaluation.losses import validation_manifest

    place = Storage(storage)
    for corpus in corpora:
        validation_manifest(place, corpus)
    for name in write_local_tasks(place, corpora, to, KINDS, TaskSizes(documents, items), seed):
        print(to / f"{name}.yaml")


def print_scores(scores: Mapping[str, Mapping[str, TaskScores]], console: Console) -> None:
    """A line per state and task: the main metric and its standard error."""
    table = Table("state", "task", "shots", "metric", "score", "± s.e.", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for state, found in scores.items():
        for entry in found.values():
            error = entry.errors.get(entry.main, math.nan)
            shots = "–" if entry.shots is None else str(entry.shots)
            table.add_row(
                state,
                escape(entry.title),
                shots,
                entry.main,
                f"{entry.metrics[entry.main]:.4f}",
                "–" if math.isnan(error) else f"{error:.4f}",
            )
    print_whole(console, table)


def _scores(  # noqa: PLR0913 (the parameters of score_states)
    storage: Storage,
    names: Sequence[str],
    tasks: Sequence[str],
    corpora: Sequence[str] | None,
    limit: int | None,
    options: ClusterOptions,
    data: Path | None,
) -> Mapping[str, Mapping[str, TaskScores]]:
    # One state needs no cluster: it is scored in this process.
    if len(names) == 1 and options.address is None:
        from raycl.evaluation.harness import score_state

        return {names[0]: score_state(storage, names[0], tasks, corpora, limit, print, data)}
    from raycl.evaluation.harness_ray import score_states

    return score_states(storage, names, tasks, corpora, limit, options, print, data)


def print_losses(
    storage: Storage, losses: Mapping[str, Mapping[str, float]], console: Console
) -> None:
    """A line per state: nats/token and bits/byte of every corpus."""
    from raycl.data.manifest import load_manifest

    corpora = list(dict.fromkeys(corpus for found in losses.values() for corpus in found))
    splits = {c: load_manifest(storage, layout.corpus(c)).validation for c in corpora}
    table = Table(box=None, pad_edge=False)
    table.add_column("state", no_wrap=True)
    for corpus in corpora:
        table.add_column(f"{escape(corpus)}\nnats/token", justify="right")
        table.add_column("\nbits/byte", justify="right", no_wrap=True)
    for state, found in losses.items():
        cells: list[str] = []
        for corpus in corpora:
            # bits/byte = nats/token / ln 2 × tokens/byte, over the whole validation split
            loss = found.get(corpus, math.nan)
            bits = loss / math.log(2) * splits[corpus].tokens / splits[corpus].bytes
            cells += [f"{value:.4f}" if corpus in found else "–" for value in (loss, bits)]
        table.add_row(state, *cells)
    print_whole(console, table)


def _named(
    storage: Storage, references: Sequence[str], sweep: str | None, label: str | None
) -> list[str]:
    """Full names of the states that the arguments mean, each once. Raises InputError for none."""
    from raycl.results.named_state import named_state
    from raycl.states.lookup import swept_states

    names = [named_state(storage, reference, sweep).state for reference in references]
    if label is not None:
        names.append(named_state(storage, label, sweep).state)
    elif sweep is not None and not names:
        names += swept_states(storage, sweep)
    if not names:
        raise InputError(
            "evaluate", "no state is named", "Give states, --label LABEL, or --sweep NAME"
        )
    return list(dict.fromkeys(names))


def _losses(
    storage: Storage, name: str, corpora: Sequence[str] | None, rows: int | None
) -> dict[str, float]:
    # Imported here, because `--help` and errors in names must not wait for torch.
    from raycl.evaluation.losses import corpora_for, evaluate_state

    return evaluate_state(storage, name, corpora or corpora_for(storage, name), rows)
