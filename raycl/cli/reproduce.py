"""`raycl reproduce`: the paper's experiments, from recipe files to a document with verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from raycl.cli.options import (
    Accelerator,
    Address,
    Concurrent,
    Gpus,
    Owner,
    Priority,
    Scale,
    Share,
    StorageUrl,
    Variables,
    Workers,
    exit_if_failed,
)
from raycl.cli.output import LastingConsole
from raycl.cluster.options import ClusterOptions
from raycl.cluster.queue_options import queue_options
from raycl.cluster.variables import parse_variables

Names = Annotated[
    list[str] | None, typer.Option("--only", help="Experiments whose names begin so; repeat it.")
]


def reproduce(  # noqa: PLR0913 (each is an option of the command)
    storage: StorageUrl,
    configs: Annotated[
        Path | None,
        typer.Option(help="Folder of recipes; default: the paper's in `raycl recipes`."),
    ] = None,
    scale: Scale = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds 1, 2, … of each experiment.")] = 3,
    only: Names = None,
    once: Annotated[
        list[str] | None,
        typer.Option(help="Experiments that get one seed alone; repeat it. [g1]"),
    ] = None,
    out: Annotated[Path, typer.Option(help="The document to write.")] = Path(
        "docs/reproduction.md"
    ),
    address: Address = None,
    workers: Workers = None,
    concurrent: Concurrent = None,
    gpus: Gpus = False,
    accelerator: Accelerator = None,
    variables: Variables = None,
    owner: Owner = None,
    priority: Priority = 0,
    share: Share = 1.0,
) -> None:
    """Run the paper's experiments and write their tables, figures and a verdict on each claim.

    What all experiments share is trained once. Run it again to go on after an interruption;
    what is finished is never trained again.

    Example: `raycl reproduce --storage runs/paper --scale tiny --only e5`
    """
    from raycl.cli.event_printers import console_printer
    from raycl.cli.plan_view import print_plan_summary
    from raycl.recipe.packaged import recipe_folder
    from raycl.reproduction.experiments import load_experiments
    from raycl.reproduction.run import reproduce as run
    from raycl.storage import Storage

    console = LastingConsole()
    experiments = load_experiments(
        configs or recipe_folder() / "paper",
        scale,
        range(1, seeds + 1),
        only or (),
        ("g1",) if once is None else once,
    )
    failed = run(
        experiments,
        Storage(storage),
        ClusterOptions(
            address,
            workers,
            concurrent,
            gpus,
            accelerator,
            parse_variables(variables or ()),
            queue_options(owner, priority, share),
        ),
        out,
        report=console_printer(console),
        on_plan=lambda plan: print_plan_summary(plan, console),
    )
    console.print(f"Written: {out}", soft_wrap=True, markup=False)
    exit_if_failed(failed, console)
