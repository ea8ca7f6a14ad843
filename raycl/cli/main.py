"""The `raycl` command, put together from its groups of commands.

Exit codes: 0 done, 1 something failed, 2 bad usage or input, 130 interrupted.
"""

from __future__ import annotations

import signal
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from raycl.cli import (
    advise,
    branch,
    dashboard,
    export,
    extend,
    generate,
    grafana,
    init,
    jobs,
    merge,
    models,
    overlap,
    plan,
    prepare,
    queue,
    quickstart,
    recipes,
    reproduce,
    states,
    status,
    steering,
    storage,
    sweep,
)
from raycl.cli.command import Command
from raycl.cli.output import write_any_text
from raycl.cli.version import print_version
from raycl.cluster.interruption import interrupt, interruption_in, on_signals
from raycl.errors import InputError

_INTERRUPTED = 130
"""What typer exits with after any KeyboardInterrupt."""

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Continual pre-training: which learning rate, warm-up and replay, and what do I lose?\n\n"
    "Start with `raycl plan quickstart`, then `raycl quickstart` trains it. "
    "`raycl recipes quickstart > my.yaml` writes its recipe, for your own text.",
)


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=print_version,
            help="Show the versions of raycl, Python, torch, ray and transformers, and exit.",
        ),
    ] = False,
) -> None:
    """What holds for all commands."""


# In the order in which --help lists them.
for _command in (
    quickstart.quickstart,
    init.init,
    recipes.recipes,
    plan.schema,
    plan.plan,
    plan.steps,
    prepare.fetch,
    prepare.prepare,
    overlap.overlap,
    sweep.sweep,
    status.status,
    sweep.report,
    advise.advise,
    dashboard.dashboard,
    steering.pause,
    steering.stop,
    steering.resume,
    steering.retry,
    branch.branch,
    jobs.submit,
    states.evaluate,
    merge.merge,
    export.export,
    generate.generate,
    extend.extend,
    reproduce.reproduce,
    states.tasks,
    storage.states,
    storage.prune,
    grafana.grafana,
):
    app.command(cls=Command)(_command)
app.add_typer(jobs.jobs, name="jobs")
app.add_typer(queue.queue, name="queue")
app.add_typer(models.models, name="models")


def main(arguments: list[str] | None = None) -> Any:
    """Run the command; bad input is one sentence and exit code 2, no traceback.

    What the system refuses (a full disk, a store that is gone) is a sentence and exit code 1. After
    Ctrl-C the exit code is 130, and after SIGTERM 143, with a sentence on how to go on.
    """
    write_any_text()
    try:
        with on_signals(interrupt, signal.SIGTERM):
            return app(arguments)
    except InputError as error:
        Console(stderr=True).print(
            f"[bold red]error:[/bold red] {escape(str(error))}", soft_wrap=True
        )
        raise SystemExit(2) from None
    except OSError as error:  # a full disk, a missing right, a store that is gone
        Console(stderr=True).print(
            f"[bold red]error:[/bold red] {escape(str(error))}", soft_wrap=True
        )
        raise SystemExit(1) from None
    except SystemExit as end:
        if end.code != _INTERRUPTED:
            raise
        interruption = interruption_in(end)
        told = f"Interrupted. {interruption} ".rstrip()
        Console(stderr=True).print(
            f"{told} Run the same command again to go on.", soft_wrap=True, markup=False
        )
        raise SystemExit(interruption.code) from None


if __name__ == "__main__":
    main()
