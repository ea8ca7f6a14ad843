"""Commands for the jobs of a Ray cluster: submit a sweep, list jobs, read their output, stop."""

from __future__ import annotations

import shlex
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from raycl.cli.command import Command
from raycl.cli.options import (
    Accelerator,
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
    Variables,
)
from raycl.cli.output import print_whole
from raycl.cluster.options import ClusterOptions
from raycl.cluster.queue_options import queue_options
from raycl.cluster.variables import parse_variables
from raycl.errors import InputError
from raycl.storage.urls import refuse_secret
from raycl.submit.client import ADDRESS, ClusterJobs

if TYPE_CHECKING:
    from raycl.submit.package import Package

Address = Annotated[str, typer.Option(help="The head's dashboard, or a tunnel to it.")]
Job = Annotated[str, typer.Argument(help="Job, as `raycl submit` and `raycl jobs list` name it.")]

jobs = typer.Typer(
    no_args_is_help=True,
    help="Look at the jobs of a cluster, and stop them.\n\nExample: `raycl jobs list`",
)


def submit(  # noqa: PLR0913 (each is an option of the command)
    recipe: RecipeFile,
    storage: StorageUrl,
    address: Address = ADDRESS,
    wait: Annotated[bool, typer.Option(help="Follow the job's output until it ends.")] = True,
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
    """Run a sweep as a job of a cluster. Ctrl-C stops watching, not the job.

    The same command again watches the job while it runs, and resumes the sweep after it has ended.

    Example: `raycl submit my.yaml --storage s3://bucket/my --gpus`
    """
    from raycl.recipe.definition import define
    from raycl.recipe.prices_file import read_prices
    from raycl.submit.package import make_package

    check_reachable(storage)
    if prices is not None:
        read_prices(prices)  # what is wrong in it is told before a job waits for a cluster
    options = ClusterOptions(
        "auto",
        None,
        concurrent,
        gpus,
        accelerator,
        parse_variables(variables or ()),
        queue_options(owner, priority, share),
    )
    definition = define(recipe, overrides or (), scale)
    package = make_package(definition, recipe, scale, Path.cwd(), prices)
    command = sweep_command(package, storage, overrides or [], options)
    console = Console(stderr=True)
    for note in package.notes:
        console.print(escape(f"note: {note}"), soft_wrap=True)
    cluster = ClusterJobs(address)
    with tempfile.TemporaryDirectory(prefix="raycl-job-") as folder:
        package.copy_to(Path(folder))
        job, new = cluster.submit(command, Path(folder))
    print(f"{'submitted' if new else 'already under way:'} {job}")
    if wait:
        _follow(cluster, job)


def sweep_command(
    package: Package, storage: str, overrides: list[str], options: ClusterOptions
) -> str:
    """The shell command of a sweep's job, which runs on the cluster that it was submitted to.

    The command runs `python -m raycl` and no file of `jobs/`, because a wheel has only the package.
    Everybody on the cluster can read it. It names the files of the package, and not where they were
    here.
    """
    words = ["python", "-m", "raycl", "sweep", package.recipe]
    words += ["--storage", storage, "--address", "auto"]
    words += ["--scale", package.scale] if package.scale else []
    words += ["--prices", package.prices] if package.prices else []
    words += [word for override in overrides for word in ("--set", override)]
    words += ["--concurrent", str(options.concurrent)] if options.concurrent else []
    words += ["--gpus"] if options.gpus else []
    words += ["--accelerator", options.accelerator] if options.accelerator else []
    for name, value in options.variables:
        words += ["--env", f"{name}={value}"]
    queue = options.queue
    words += ["--owner", queue.owner]  # on the cluster it would be the user who runs the job
    words += ["--priority", str(queue.priority)] if queue.priority else []
    words += ["--share", f"{queue.share:g}"] if queue.share != 1 else []
    return shlex.join(words)


def check_reachable(storage: str) -> None:
    """Raise InputError for a relative folder, which would lie in the job's folder and be lost."""
    refuse_secret(storage, "--storage")
    local = storage.removeprefix("file://")
    if "://" not in local and not Path(local).is_absolute():
        raise InputError(
            f"--storage {storage!r}",
            "a relative path lies in the job's own folder, which goes with the job",
            "Give an s3:// or gs:// URL, or the full path of a folder that all nodes share",
        )


@jobs.command("list", cls=Command)
def list_jobs(address: Address = ADDRESS) -> None:
    """List the cluster's jobs, the newest last.

    Example: `raycl jobs list --address http://127.0.0.1:8265`
    """
    table = Table("job", "status", "started", "command", box=None, pad_edge=False)
    for column in table.columns[:3]:
        column.no_wrap = True
    for job in ClusterJobs(address).all():
        table.add_row(
            job.submission_id, job.status.value, _time(job.start_time), escape(job.entrypoint)
        )
    print_whole(Console(), table)


@jobs.command(cls=Command)
def status(job: Job, address: Address = ADDRESS) -> None:
    """Print a job's status; `raycl status` shows how much of its sweep is done.

    Example: `raycl jobs status JOB`
    """
    found = ClusterJobs(address).details(job)
    print(f"{found.status.value} since {_time(found.end_time or found.start_time)}")
    print(found.entrypoint)
    if found.message:
        print(found.message)


@jobs.command(cls=Command)
def logs(
    job: Job,
    address: Address = ADDRESS,
    follow: Annotated[bool, typer.Option(help="Go on until the job ends.")] = True,
) -> None:
    """Print a job's output.

    Example: `raycl jobs logs JOB --no-follow`
    """
    cluster = ClusterJobs(address)
    cluster.details(job)
    if follow:
        _follow(cluster, job)
    else:
        _write(cluster.log(job))


@jobs.command(cls=Command)
def stop(job: Job, address: Address = ADDRESS) -> None:
    """Stop a job. Its stored states stay, so that submitting it again resumes the sweep.

    Example: `raycl jobs stop JOB`
    """
    cluster = ClusterJobs(address)
    cluster.details(job)  # raises InputError for an unknown job
    print("stopping" if cluster.stop(job) else "it had ended already")


def _follow(cluster: ClusterJobs, job: str) -> None:
    try:
        ended = cluster.follow(job, _write)
    except KeyboardInterrupt:  # ends the watching alone
        print(f"\nThe job goes on. Stop it with: raycl jobs stop {job} --address {cluster.address}")
        raise
    print(f"job {job}: {ended}")
    if ended != "SUCCEEDED":
        raise typer.Exit(1)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _time(milliseconds: int | None) -> str:
    if milliseconds is None:
        return "–"
    return datetime.fromtimestamp(milliseconds / 1000).isoformat(" ", "seconds")
