"""Commands for the queue: which sweeps run on a cluster, what each may use, quotas of owners."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from raycl.cli import complete
from raycl.cli.command import Command
from raycl.cli.options import STORAGE_VARIABLE, StorageUrl
from raycl.cli.output import print_whole
from raycl.cluster.queue_options import check_owner, check_share
from raycl.errors import InputError

if TYPE_CHECKING:
    from raycl.storage import Storage
    from raycl.sweep.queue_files import Queue

queue = typer.Typer(
    invoke_without_command=True,
    help="Show the sweeps that run in a storage, and what each may use of its cluster.\n\n"
    "Example: `raycl queue --storage s3://bucket/runs`",
)


@queue.callback()
def show(
    context: typer.Context,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            envvar=STORAGE_VARIABLE,
            metavar="STORAGE",
            help="Local folder, or s3:// or gs:// URL.",
        ),
    ] = None,
) -> None:
    """Show the queue where no other command follows."""
    if context.invoked_subcommand is not None:
        return
    if storage is None:
        remedy = f"Add --storage STORAGE, or set {STORAGE_VARIABLE}"
        raise InputError("raycl queue", "no storage is named", remedy)
    found, gone = _read(_with_queue(storage))
    console = Console()
    if found.entries:
        print_whole(console, _table(found))
    else:
        console.print("No sweep runs here.")
    for sentence in gone:
        console.print(escape(sentence), highlight=False)
    for owner, most in sorted(found.quotas.items()):
        console.print(escape(f"quota of {owner}: {most} workers"), highlight=False)


@queue.command("set", cls=Command)
def set_numbers(
    storage: StorageUrl,
    name: Annotated[
        str,
        typer.Option(
            "--sweep",
            metavar="NAME",
            autocompletion=complete.sweep_names,
            help="A sweep that runs now.",
        ),
    ],
    priority: Annotated[
        int | None, typer.Option(help="Sweeps of higher priority come first.")
    ] = None,
    share: Annotated[
        float | None, typer.Option(help="Weight among sweeps of equal priority.")
    ] = None,
) -> None:
    """Change priority or share of a sweep that runs, from anywhere; it obeys within seconds.

    Nodes that run go on; the sweep begins the next time with what its recipe's command says.

    Example: `raycl queue set --sweep my --priority 2 --storage s3://bucket/runs`
    """
    from raycl.sweep.queue_files import give_order
    from raycl.sweep.queue_records import QueueOrder

    if priority is None and share is None:
        raise InputError("raycl queue set", "nothing to set", "Add --priority or --share")
    if share is not None:
        check_share(share, "--share")
    place = _with_queue(storage)
    found, gone = _read(place)
    entries = found.entries
    meant = [holder for holder, entry in entries.items() if name in entry.sweeps]
    if not meant:
        known = ", ".join(sorted({each for entry in entries.values() for each in entry.sweeps}))
        running = ". ".join([f"Running now: {known or 'none'}", *gone])
        raise InputError(f"--sweep {name!r}", "no such sweep runs here", running)
    for holder in meant:
        give_order(place, holder, QueueOrder(priority=priority, share=share))
    print(f"{name}: told; it obeys within seconds")


@queue.command(cls=Command)
def quota(
    owner: Annotated[str, typer.Argument(metavar="OWNER", help="As `raycl queue` shows it.")],
    storage: StorageUrl,
    workers: Annotated[
        int | None,
        typer.Argument(metavar="WORKERS", min=0, help="The most at once on each cluster."),
    ] = None,
    no_quota: Annotated[bool, typer.Option("--no-quota", help="Take the quota away.")] = False,
) -> None:
    """Set the most workers that the sweeps of one owner use at once, or take the quota away.

    Example: `raycl queue quota anna 16 --storage s3://bucket/runs`
    """
    from raycl.sweep.queue_files import set_quota

    if (workers is None) != no_quota:
        problem = "WORKERS and --no-quota exclude each other" if no_quota else "no number is given"
        raise InputError("raycl queue quota", problem, "Give a number of workers, or --no-quota")
    check_owner(owner, "OWNER")
    set_quota(_with_queue(storage), owner, workers)
    print(f"{owner}: {'no quota' if workers is None else f'at most {workers} workers'}")


def _with_queue(storage: str) -> Storage:
    """The storage. Raises InputError where it cannot have a queue."""
    from raycl.storage import Storage

    place = Storage(storage)
    if not place.has_conditional_writes:
        raise InputError(
            f"storage {storage!r}",
            "it has no conditional writes, so its sweeps have no leases and no queue",
            "Use the store's S3 interface: s3:// with AWS_ENDPOINT_URL",
        )
    return place


def _read(storage: Storage) -> tuple[Queue, list[str]]:
    """The sweeps that live, and a sentence on each whose machine seems to be gone."""
    from raycl.sweep.queue_files import Queue, beats, read_queue, silent

    found = read_queue(storage, lambda holder: beats(storage, holder))
    last = silent(storage, datetime.now(UTC)) if found.entries else {}
    living = {holder: entry for holder, entry in found.entries.items() if holder not in last}
    gone = [
        f"{', '.join(entry.sweeps)} of {entry.owner} is left out: no sign of life since "
        f"{_local(last[holder].timestamp())}. The next sweep here removes its entry"
        for holder, entry in found.entries.items()
        if holder in last
    ]
    return Queue(living, found.quotas), gone


def _local(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).isoformat(" ", "seconds")


def _table(found: Queue) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("#", "sweep", "owner", "priority", "share"):
        table.add_column(name, no_wrap=name == "sweep")
    for name in ("in use", "allotted", "wanted"):
        table.add_column(name, justify="right")
    for name in ("since", "cluster"):
        table.add_column(name)
    for row in _rows(found):
        table.add_row(*map(escape, row))
    return table


def _rows(found: Queue) -> Iterator[tuple[str, ...]]:
    """A line for each sweep, cluster by cluster, in the order of turns."""
    from raycl.plan.fair_share import allotments

    pools = {entry.pool: entry for entry in found.entries.values()}
    for _, any_entry in sorted(pools.items()):
        pool, capacity = found.pool(any_entry), found.capacity(any_entry)
        given = allotments(capacity, pool, found.quotas)
        for place, claimant in enumerate(pool, start=1):
            entry = found.entries[claimant.holder]
            numbers = (sum(entry.running), given[claimant.holder], claimant.wanted)
            yield (
                str(place),
                ", ".join(entry.sweeps),
                entry.owner,
                str(entry.priority),
                f"{entry.share:g}",
                *map(str, numbers),
                _local(entry.since),
                f"{entry.cluster}: {capacity:g} {entry.device}",
            )
