"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from raycl.cli import complete
from raycl.errors import InputError

RecipeFile = Annotated[
    Path,
    typer.Argument(
        metavar="RECIPE",
        help="Recipe file (YAML), or a name in `raycl recipes`: quickstart, paper/e5.",
    ),
]
STORAGE_VARIABLE = "RAYCL_STORAGE"
StorageUrl = Annotated[
    str,
    typer.Option(
        "--storage",
        envvar=STORAGE_VARIABLE,
        metavar="STORAGE",
        help="Local folder, or s3:// or gs:// URL.",
    ),
]
StorageArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="STORAGE",
        help=f"Local folder, or s3:// or gs:// URL; default: the variable {STORAGE_VARIABLE}.",
    ),
]
"""For commands that read a storage as others read a recipe; HiddenStorage goes with it."""
HiddenStorage = Annotated[
    str | None,
    typer.Option(
        "--storage",
        envvar=STORAGE_VARIABLE,
        metavar="STORAGE",
        help="The same, as an option.",
        hidden=True,
    ),
]
OptionalStorage = Annotated[
    str | None,
    typer.Option(
        "--storage",
        envvar=STORAGE_VARIABLE,
        metavar="STORAGE",
        help="Show what exists already in this folder or s3:// or gs:// URL.",
    ),
]
SweepName = Annotated[
    str | None,
    typer.Option(
        "--sweep",
        metavar="NAME",
        autocompletion=complete.sweep_names,
        help="Sweep in the storage; default: the only one.",
    ),
]
Label = Annotated[
    str,
    typer.Option(
        metavar="LABEL",
        autocompletion=complete.labels,
        help="One recipe of the sweep: a row of its table, or `best`.",
    ),
]
State = Annotated[
    str,
    typer.Argument(
        metavar="STATE",
        autocompletion=complete.states,
        help="A state's name or beginning, a label, or `best`.",
    ),
]
States = Annotated[
    list[str],
    typer.Argument(
        metavar="STATE",
        autocompletion=complete.states,
        help="Names or beginnings of states, labels, or `best`.",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a field: --set german.replay=5% --set seed=2."),
]
Scale = Annotated[
    str | None,
    typer.Option(help="Run it at another size: `tiny`, or a scale file (YAML) of your own."),
]
Address = Annotated[str | None, typer.Option(help="Ray cluster; default: one of our own.")]
Workers = Annotated[int | None, typer.Option(help="CPUs of our own cluster.")]
Owner = Annotated[
    str | None,
    typer.Option(
        envvar="RAYCL_OWNER", help="Whose sweep it is, for quotas and shares; default: the user."
    ),
]
Priority = Annotated[
    int,
    typer.Option(envvar="RAYCL_PRIORITY", help="Sweeps of higher priority come first (0)."),
]
Share = Annotated[
    float,
    typer.Option(
        envvar="RAYCL_SHARE", help="Weight among sweeps of equal priority on one cluster (1)."
    ),
]
Concurrent = Annotated[int | None, typer.Option(help="Nodes trained at once, at most.")]
Gpus = Annotated[bool, typer.Option(help="Train on GPUs, one per worker.")]

Gpu = Annotated[
    str | None,
    typer.Option(help="The GPUs' kind, such as H100: refuse what cannot fit (with --gpus)."),
]
MemoryPerGpu = Annotated[
    str | None, typer.Option(help="Memory of each GPU, such as 80GB: refuse what cannot fit.")
]
GpusPerHost = Annotated[int | None, typer.Option(min=1, help="GPUs of each machine; default: 8.")]


Accelerator = Annotated[str | None, typer.Option(help="Kind of GPU, by Ray's name for it. [H100]")]
Variables = Annotated[
    list[str] | None,
    typer.Option("--env", help="Variable of all workers: --env NCCL_SOCKET_IFNAME=eth0."),
]

PricesFile = Annotated[
    Path | None,
    typer.Option(
        "--prices",
        envvar="RAYCL_PRICES",
        metavar="FILE",
        help="What machines cost (a file in YAML), to count hours and dollars.",
    ),
]


def exit_if_failed(failed: Mapping[str, str], console: Console) -> None:
    """Print each failed node with its reason and exit with code 1; return where none failed."""
    for node, reason in failed.items():
        console.print(f"[red]failed[/red] {node}: {escape(reason)}", soft_wrap=True)
    if failed:
        raise typer.Exit(1)


def exit_if_damaged(damaged: Sequence[str]) -> None:
    """Say what is wrong with each damaged record and exit with code 2; return where none is."""
    console = Console(stderr=True)
    for problem in damaged:
        console.print(f"[bold red]damaged:[/bold red] {escape(problem)}", soft_wrap=True)
    if damaged:
        raise typer.Exit(2)


def given_storage(place: str | None, storage: str | None, command: str) -> str:
    """The storage that a command was given as an argument, else as an option.

    Raises InputError where it was given none.
    """
    given = place or storage
    if given is None:
        raise InputError(command, "no storage", f"Write `{command} runs/my`")
    return given
