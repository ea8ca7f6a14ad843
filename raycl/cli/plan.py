"""The commands that only calculate: the plan of a sweep, its steps, the schema of recipes."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import asdict
from typing import Annotated

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
    RecipeFile,
    Scale,
)
from raycl.cluster.options import ClusterOptions
from raycl.errors import InputError


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
    overrides: Overrides = None,
    scale: Scale = None,
) -> None:
    """Show the tree of a sweep and what it costs; no cluster is needed.

    Each line is a node: a run of steps that the recipes named share, trained once.

    Example: `raycl plan my.yaml --gpu H100`
    """
    from raycl.cli.plan_view import print_merges, print_plan
    from raycl.cluster.memory import worker_memory
    from raycl.plan.machines import machine_of
    from raycl.recipe.definition import define
    from raycl.recipe.rates import rate_notes
    from raycl.recipe.seed import seed_text
    from raycl.recipe.stand_ins import knows_texts
    from raycl.recipe.sweep_plan import plan_sweeps, resolve_inputs
    from raycl.recipe.trained_again import trained_again
    from raycl.states.earlier import earlier_sentence
    from raycl.storage import Storage
    from raycl.sweep.vocabulary import vocabulary_growth
    from raycl.train.inspection.inspect_plan import inspected
    from raycl.train.inspection.token_notes import token_notes

    machine = machine_of(gpu, memory_per_gpu, gpus_per_host)
    gpus = gpus or machine is not None
    place = Storage(storage) if storage else None
    definition = define(recipe, overrides or (), scale)
    resolution = resolve_inputs((definition,), place, ClusterOptions(gpus=gpus).device)
    made = inspected(plan_sweeps((definition,), place, resolution=resolution))
    made = made.on_gpus(machine) if gpus else made.on_cpus(worker_memory())
    untrained = token_notes(made, place) if place is not None else []
    grown = vocabulary_growth(made, place)
    large = rate_notes(variant.recipe for variant in definition.variants)
    again = trained_again(made.stored, made.tree)
    for sentence in [*made.notes, *untrained, earlier_sentence(made.states), *again, *large]:
        if sentence:
            Console(stderr=True).print(sentence, markup=False, soft_wrap=True)
    if as_json:
        vocabulary = [model.as_data for model in grown]
        more = {"steps_left": made.cost.steps_left, "vocabulary": vocabulary}
        more["vocabulary_to_make"] = [asdict(found.tokens) for found in resolution.unmade]
        print(json.dumps({**asdict(made.cost), **more}, indent=1))
    else:
        print_plan(made.cost, Console(), prepared=made.is_prepared)
        print_merges(made.sweeps[0].merges, made.cost, Console())
        recipes = [variant.recipe for variant in definition.variants]
        known = knows_texts(definition.recipe, recipes)
        new_tokens = [found.sentence for found in resolution.unmade]
        new_tokens += [sentence for model in grown for sentence in model.sentences]
        for sentence in (*new_tokens, *known, seed_text(definition.recipe, recipes)):
            if sentence:
                Console().print(sentence, markup=False, soft_wrap=True)


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
    from raycl.cli.plan_view import print_steps, stage_trains, step_lines
    from raycl.recipe.definition import corpus_facts, define, trainings
    from raycl.recipe.sweep_plan import resolve_inputs
    from raycl.storage import Storage

    definition, place = (
        define(recipe, overrides or (), scale),
        Storage(storage) if storage else None,
    )
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
