"""The commands that only calculate: the plan of a sweep, its steps, the schema of recipes."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from raycl.cli import complete
from raycl.cli.options import (
    Gpu,
    Gpus,
    GpusPerHost,
    MemoryPerGpu,
    OptionalStorage,
    Overrides,
    PricesFile,
    RecipeFile,
    Scale,
)
from raycl.errors import InputError

if TYPE_CHECKING:
    from raycl.search.study import Spent


def schema() -> None:
    """Print the JSON schema of recipes, for completion and checks in editors.

    Example: `raycl schema > recipe.schema.json`
    """
    from raycl.recipe import Recipe

    print(json.dumps(Recipe.model_json_schema(), indent=1))


def plan(  # noqa: PLR0913 (each is an option of the command)
    recipe: RecipeFile,
    storage: OptionalStorage = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    gpus: Gpus = False,
    gpu: Gpu = None,
    memory_per_gpu: MemoryPerGpu = None,
    gpus_per_host: GpusPerHost = None,
    prices: PricesFile = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="With --prices: workers kept until the sweep ends.")
    ] = None,
    overrides: Overrides = None,
    scale: Scale = None,
) -> None:
    """Show the tree of a sweep and what it costs; no cluster is needed.

    Each line is a node: a run of steps that the recipes named share, trained once.

    Example: `raycl plan my.yaml --gpu H100`
    """
    from raycl.cli.money_view import estimates_data, print_estimates
    from raycl.cli.pilot_view import pilots_of, print_pilots
    from raycl.cli.plan_view import print_merge_search, print_merges, print_plan
    from raycl.plan.machines import machine_of
    from raycl.recipe.definition import define
    from raycl.recipe.prices_file import read_prices
    from raycl.storage import Storage
    from raycl.sweep.preview import preview
    from raycl.sweep.priced_plan import priced_plan

    told = read_prices(prices) if prices else None
    if workers is not None and told is None:
        raise InputError("--workers", "without --prices it says nothing", "Give --prices as well")
    machine = machine_of(gpu, memory_per_gpu, gpus_per_host)
    place = Storage(storage) if storage else None
    definition = define(recipe, overrides or (), scale)
    spent = _no_dollars_yet() if told else None
    found = preview(definition, place, gpus or machine is not None, machine, spent)
    made = found.plan
    money = priced_plan(made, place, told, workers) if told else []
    pilot = pilots_of(made.sweeps[0], recipe, overrides or (), scale) if scale else None
    for sentence in found.warnings:
        Console(stderr=True).print(sentence, markup=False, soft_wrap=True)
    if as_json:
        more: dict[str, Any] = {"steps_left": made.cost.steps_left}
        more["vocabulary"] = [model.as_data for model in found.grown]
        more["read_again"] = [one.as_data for one in found.repeated]
        more["vocabulary_to_make"] = [asdict(new.tokens) for new in made.resolution.unmade]
        if told:
            more["money"] = estimates_data(money)
        if pilot is not None:
            more["repetition"] = [asdict(one) for one in pilot.found]
        print(json.dumps({**asdict(made.cost), **more}, indent=1))
    else:
        print_plan(made.cost, Console(), prepared=made.is_prepared)
        print_merges(made.sweeps[0].merges, made.cost, Console())
        print_merge_search(made.sweeps[0], made.cost, Console())
        if told:
            print_estimates(money, told, Console())
        for sentence in found.remarks:
            Console().print(sentence, markup=False, soft_wrap=True)
        if pilot is not None:
            print_pilots(pilot, Console())


def steps(  # noqa: PLR0913 (each is an option of the command)
    recipe: RecipeFile,
    label: Annotated[
        str,
        typer.Option(
            metavar="LABEL",
            autocompletion=complete.recipe_labels,
            help="Label of a recipe, as in the plan.",
        ),
    ],
    stage: Annotated[
        str, typer.Option(autocompletion=complete.recipe_stages, help="Name of the stage.")
    ],
    first: Annotated[int, typer.Option("--from", help="First step, counted in the stage.")] = 0,
    last: Annotated[int | None, typer.Option("--to", help="Step after the last.")] = None,
    storage: OptionalStorage = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,
    overrides: Overrides = None,
    scale: Scale = None,
) -> None:
    """Show each step's learning rate and rows, by the very functions that training uses.

    Example: `raycl steps my.yaml --label 'replay 5%' --stage german --to 5`
    """
    from raycl.cli.plan_view import print_steps, stage_loss_weights, stage_trains, step_lines
    from raycl.recipe.definition import corpus_facts, define, trainings, with_stored_proposals
    from raycl.recipe.sweep_plan import resolve_inputs
    from raycl.storage import Storage

    place = Storage(storage) if storage else None
    definition = with_stored_proposals(define(recipe, overrides or (), scale), place)
    # Rates and rows are the same on every device.
    resolution = resolve_inputs((definition,), place)
    whole = trainings(definition, corpus_facts(definition, place), resolution)
    if label not in whole:
        known = "; ".join(whole)
        raise InputError(f"--label {label!r}", "no such recipe", f"Labels here: {known}")
    lines = step_lines(whole[label].chain, stage, first, last)
    if as_csv:
        writer = csv.DictWriter(sys.stdout, fieldnames=list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    else:
        print_steps(lines, Console())
        if (trains := stage_trains(whole[label].chain, stage)) is not None:
            print(f"{stage} trains {trains}.")
        if text := stage_loss_weights(whole[label].chain, stage):
            print(f"{stage}: {text}.")


def _no_dollars_yet() -> Callable[[], Spent]:
    """What a search has taken, where the plan is told prices: its dollars count from here on."""
    # Imported here: it takes pandas, which most plans do without.
    from raycl.search.study import Spent

    return lambda: Spent(0, 0.0)
