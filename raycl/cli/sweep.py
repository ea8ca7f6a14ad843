"""The commands on sweeps: train one, see how far it is, write its results anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from raycl.cli.options import (
    Accelerator,
    Address,
    Concurrent,
    Gpus,
    Overrides,
    Owner,
    PricesFile,
    Priority,
    RecipeFile,
    Scale,
    Share,
    StorageUrl,
    SweepName,
    Variables,
    Workers,
    exit_if_failed,
)
from raycl.cli.output import LastingConsole
from raycl.cluster.options import ClusterOptions
from raycl.cluster.queue_options import queue_options
from raycl.cluster.variables import parse_variables
from raycl.errors import InputError

if TYPE_CHECKING:
    from raycl.storage import Storage
    from raycl.sweep.results import SweepResult


def sweep(  # noqa: PLR0913 (each is an option of the command)
    recipe: RecipeFile,
    storage: StorageUrl,
    address: Address = None,
    workers: Workers = None,
    concurrent: Concurrent = None,
    gpus: Gpus = False,
    accelerator: Accelerator = None,
    variables: Variables = None,
    prices: PricesFile = None,
    overrides: Overrides = None,
    scale: Scale = None,
    owner: Owner = None,
    priority: Priority = 0,
    share: Share = 1.0,
) -> None:
    """Train every recipe of a sweep, sharing what they share; print and write the results.

    Run it again to recover: what is finished is never trained again, what is not goes on.

    Example: `raycl sweep my.yaml --storage runs/my --gpus`
    """
    from raycl.cli.event_printers import console_printer
    from raycl.cli.plan_view import print_plan
    from raycl.recipe.definition import define
    from raycl.recipe.prices_file import store_prices
    from raycl.storage import Storage
    from raycl.sweep.pipeline import sweep

    console = LastingConsole()
    definition, place = define(recipe, overrides or (), scale), Storage(storage)
    if prices is not None:
        store_prices(place, definition.recipe.name, prices)
    result = sweep(
        definition,
        place,
        ClusterOptions(
            address,
            workers,
            concurrent,
            gpus,
            accelerator,
            parse_variables(variables or ()),
            queue_options(owner, priority, share),
        ),
        report=console_printer(console),
        on_plan=lambda made: print_plan(made, console, prepared=True),
    )
    _print_result(result, console)
    exit_if_failed(result.failed, console)


def report(
    storage: StorageUrl,
    name: SweepName = None,
    prices: PricesFile = None,
) -> None:
    """Write the results table and the report page anew from what the storage holds.

    Example: `raycl report --storage runs/my`
    """
    from raycl.recipe.prices_file import store_prices
    from raycl.recipe.resolution import stored_resolution
    from raycl.recipe.sweep_plan import plan_sweeps
    from raycl.storage import Storage, layout
    from raycl.sweep.description import check_names, stored_definition
    from raycl.sweep.results import write_all

    place = Storage(storage)
    names = sweeps_meant(place, name)
    if len(names) > 1:
        raise InputError("--sweep", f"{len(names)} sweeps here", f"Name one of: {', '.join(names)}")
    chosen = names[0]
    check_names(place, chosen)
    if prices is not None:
        store_prices(place, chosen, prices)
    definition, resolution = stored_definition(place, chosen), stored_resolution(place, chosen)
    result = write_all(plan_sweeps((definition,), place, resolution=resolution), place)
    _print_result(result, Console())
    if result.lost:
        raise InputError(
            place.full_path(layout.sweep_results(chosen, "parquet")),
            f"left as it is: {len(result.lost)} recipes are finished there, but not in this "
            f"storage any more ({'; '.join(result.lost)})",
            "Restore what is missing, or run `raycl sweep` again; remove the file to have the "
            "results written without it",
        )


def sweeps_meant(storage: Storage, name: str | None) -> list[str]:
    """The sweep of this name, or all that are stored. Raises InputError where there is none."""
    from raycl.states.tree_record import stored_sweeps

    names = stored_sweeps(storage)
    if not names:
        raise InputError(f"storage {storage.url!r}", "no sweep here", "Run `raycl sweep` first")
    if name is not None and name not in names:
        where = f"--sweep {name!r}"
        raise InputError(where, f"not in {storage.url}", f"Known sweeps: {', '.join(names)}")
    return names if name is None else [name]


def _print_result(result: SweepResult, console: Console) -> None:
    from raycl.results.report.table import print_results

    print_results(result.table, console, result.notes)
    if not result.written:
        console.print("These are the stored results: new ones would lack a part of them.")
    if result.advice is not None:
        console.print(result.advice.headline, markup=False, highlight=False)
        if result.advice.command:
            console.print(f"Next: {result.advice.command}", soft_wrap=True, markup=False)
    console.print(f"Report: {result.page}", soft_wrap=True, markup=False)
