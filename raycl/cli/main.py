"""The `raycl` command. Exit codes: 0 done, 1 something failed, 2 bad usage or input,
130 interrupted."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from raycl.cli import jobs as job_commands
from raycl.cli import reproduce as reproduction_command
from raycl.cli import states as state_commands
from raycl.cli import storage as storage_commands
from raycl.cli.options import (
    Address,
    Concurrent,
    Gpus,
    Overrides,
    RecipeFile,
    Scale,
    StorageUrl,
    Workers,
    exit_if_failed,
)
from raycl.errors import InputError

_INTERRUPTED = 130
"""What typer exits with after Ctrl-C, as shells do."""

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Continual pre-training: which learning rate, warm-up and replay, and what do I lose?\n\n"
    "Start with `raycl plan configs/quickstart.yaml`, then "
    "`raycl sweep configs/quickstart.yaml --storage runs/quickstart`.",
)


@app.command()
def schema() -> None:
    """Print the JSON schema of recipes, for completion and checks in editors."""
    from raycl.recipe import Recipe

    print(json.dumps(Recipe.model_json_schema(), indent=1))


@app.command()
def plan(
    recipe: RecipeFile,
    storage: Annotated[str | None, typer.Option(help="Show what exists already here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    overrides: Overrides = None,
    scale: Scale = None,
) -> None:
    """Show the tree of a sweep and what it costs; no cluster is needed.

    Each line is a node: a run of steps that the recipes named share, trained once.
    """
    from raycl.cli.plan_view import print_plan
    from raycl.plan.cost import make_plan
    from raycl.recipe.definition import corpus_facts, define, is_prepared, make_tree
    from raycl.states.lookup import complete_states
    from raycl.storage import Storage

    place = Storage(storage) if storage else None
    existing: set[str] = set()
    if place:
        existing = set(complete_states(place))
    definition = define(recipe, overrides or (), scale)
    facts = corpus_facts(definition, place)
    made = make_plan(make_tree(definition, facts), existing)
    if as_json:
        print(json.dumps({**asdict(made), "steps_left": made.steps_left}, indent=1))
    else:
        print_plan(made, Console(), prepared=is_prepared(facts))


@app.command()
def steps(
    recipe: RecipeFile,
    label: Annotated[str, typer.Option("--recipe", help="Label of the recipe, as in the plan.")],
    stage: Annotated[str, typer.Option(help="Name of the stage.")],
    first: Annotated[int, typer.Option("--from", help="First step, counted in the stage.")] = 0,
    last: Annotated[int | None, typer.Option("--to", help="Step after the last.")] = None,
    storage: Annotated[str | None, typer.Option(help="Where the corpora are prepared.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,
    overrides: Overrides = None,
    scale: Scale = None,
) -> None:
    """Show each step's learning rate and rows, by the very functions that training uses."""
    from raycl.cli.plan_view import print_steps, step_lines
    from raycl.recipe.definition import corpus_facts, define, trainings
    from raycl.storage import Storage

    definition = define(recipe, overrides or (), scale)
    facts = corpus_facts(definition, Storage(storage) if storage else None)
    whole = trainings(definition, facts)
    if label not in whole:
        known = "; ".join(whole)
        raise InputError(f"--recipe {label!r}", "no such recipe", f"Recipes here: {known}")
    lines = step_lines(whole[label].chain, stage, first, last)
    if as_csv:
        writer = csv.DictWriter(sys.stdout, fieldnames=list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    else:
        print_steps(lines, Console())


@app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(help="Corpora, such as english german.")],
    to: Annotated[Path, typer.Option(help="Folder for the JSONL files.")],
) -> None:
    """Fetch real corpora for a first run: from Debian packages, or from the Hugging Face hub."""
    from raycl.data import corpora

    for name in names:
        print(corpora.fetch(name, to))


@app.command()
def prepare(
    recipe: RecipeFile,
    storage: StorageUrl,
    address: Address = None,
    overrides: Overrides = None,
    scale: Scale = None,
) -> None:
    """Turn the text of a recipe into token shards. Continues where it was interrupted."""
    from raycl.cluster.connect import cluster
    from raycl.recipe.definition import corpus_facts, define, is_prepared
    from raycl.storage import Storage
    from raycl.sweep.prepare_corpora import check_corpora, prepare_all, ready_text

    place, definition = Storage(storage), define(recipe, overrides or (), scale)
    place.check_writable()
    check_corpora(definition.recipe, place, definition.where)
    if is_prepared(corpus_facts(definition, place)):
        print("Every corpus is prepared already.")
        return
    sources = ready_text(definition.recipe, place, definition.where, print)
    with cluster(address, None, False):
        prepare_all(definition.recipe, sources, place, print)


@app.command()
def sweep(
    recipe: RecipeFile,
    storage: StorageUrl,
    address: Address = None,
    workers: Workers = None,
    concurrent: Concurrent = None,
    gpus: Gpus = False,
    overrides: Overrides = None,
    scale: Scale = None,
) -> None:
    """Train every recipe of a sweep, sharing what they share; print and write the results.

    Run it again to recover: what is finished is never trained again, what is not goes on.
    """
    from raycl.cli.plan_view import print_plan
    from raycl.recipe.definition import define
    from raycl.results.report.table import print_results
    from raycl.storage import Storage
    from raycl.sweep.pipeline import sweep

    console = Console()
    result = sweep(
        define(recipe, overrides or (), scale),
        Storage(storage),
        address=address,
        workers=workers,
        concurrent=concurrent,
        gpus=gpus,
        report=lambda text: console.print(text, markup=False),
        on_plan=lambda made: print_plan(made, console, prepared=True),
    )
    print_results(result.table, console)
    console.print(f"Report: {result.page}", soft_wrap=True)
    exit_if_failed(result.failed, console)


@app.command()
def status(storage: Annotated[str, typer.Argument(help="Storage of the sweeps.")]) -> None:
    """Show how far the sweeps in a storage are; read from the storage alone."""
    from raycl.cli.plan_view import print_status
    from raycl.storage import Storage
    from raycl.sweep.pipeline import progress

    place = Storage(storage)
    names = [n for n in place.list("sweeps") if place.exists(f"sweeps/{n}/tree.json")]
    if not names:
        raise InputError(f"storage {storage!r}", "no sweep here", "Run `raycl sweep` first")
    for name in names:
        print_status(name, list(progress(place, name)), Console())


@app.command()
def report(
    storage: Annotated[str, typer.Argument(help="Storage of the sweeps.")],
    name: Annotated[str | None, typer.Option(help="Sweep; default: the only one.")] = None,
) -> None:
    """Write the results table and the report page anew from what the storage holds."""
    from raycl.results.report.table import print_results
    from raycl.storage import Storage
    from raycl.sweep.pipeline import stored_definition, write_all

    place = Storage(storage)
    names = place.list("sweeps")
    if not names:
        raise InputError(f"storage {storage!r}", "no sweep here", "Run `raycl sweep` first")
    if name is None and len(names) > 1:
        raise InputError("--name", f"{len(names)} sweeps here", f"Name one of: {', '.join(names)}")
    result = write_all(stored_definition(place, name or names[0]), place)
    console = Console()
    print_results(result.table, console)
    console.print(f"Report: {result.page}", soft_wrap=True)


app.command()(job_commands.submit)
app.add_typer(job_commands.jobs, name="jobs")
app.command()(state_commands.evaluate)
app.command()(state_commands.merge)
app.command()(reproduction_command.reproduce)
app.command()(state_commands.tasks)
app.command()(storage_commands.states)
app.command()(storage_commands.prune)


def main(arguments: list[str] | None = None) -> Any:
    """Run the command; bad input is one sentence and exit code 2, no traceback."""
    try:
        return app(arguments)
    except InputError as error:
        Console(stderr=True).print(
            f"[bold red]error:[/bold red] {escape(str(error))}", soft_wrap=True
        )
        raise SystemExit(2) from None
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            Console(stderr=True).print("Interrupted. Run the same command again to go on.")
        raise


if __name__ == "__main__":
    main()
