"""The command that shows sweeps in a browser, while they run and afterwards."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from raycl.cli.options import HiddenStorage, StorageArgument, exit_if_damaged, given_storage
from raycl.cli.output import LastingConsole

if TYPE_CHECKING:
    from raycl.dashboard.read import WatchedStorage


def dashboard(  # noqa: PLR0913 (each is an option of the command)
    place: StorageArgument = None,
    storage: HiddenStorage = None,
    export: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write one HTML file of what is there now, and end."),
    ] = None,
    steer: Annotated[
        bool, typer.Option("--steer", help="Let the page pause, stop, resume and retry nodes.")
    ] = False,
    open_: Annotated[bool, typer.Option("--open", help="Open a browser.")] = False,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Default: 8266, or a free one where that is taken."),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen on. Any other than this lets other machines reach it.",
        ),
    ] = "127.0.0.1",
) -> None:
    """Show the sweeps of a storage in a browser, while they run and afterwards.

    It reads the storage alone, so that it may run anywhere. Ctrl-C ends it.

    Example: `raycl dashboard runs/my --open`
    """
    from raycl.dashboard.read import WatchedStorage

    console = LastingConsole()
    watched = WatchedStorage(given_storage(place, storage, "raycl dashboard"))
    if export is not None:
        from raycl.dashboard.export import export as export_to

        damaged = export_to(watched, export)
        console.say(f"Written: {export}")
        exit_if_damaged(tuple(damaged))
        return
    _serve(watched, console, (host, port), steer, open_)


def _serve(
    watched: WatchedStorage,
    console: LastingConsole,
    place: tuple[str, int | None],
    steer: bool,
    opens: bool,
) -> None:
    from raycl.dashboard.guard import make_guard
    from raycl.dashboard.serve import address, listen, serve

    listening = listen(*place)
    guard = make_guard(place[0], steer)
    url = address(guard, listening)
    if guard.is_open:
        console.say(
            f"Warning: other machines can reach {place[0]}. What they read is not encrypted, and "
            "needs the token in the address below: give it to nobody who may not see these runs."
        )
    console.say(f"{watched.storage.url}: {url}")
    console.say("Ctrl-C ends it; sweeps are not touched.")
    serve(watched, guard, listening, (lambda: _open(url)) if opens else lambda: None)
    # A thread that still waits for a store must not hold the end, and has nothing to finish.
    sys.stdout.flush()
    os._exit(0)


def _open(url: str) -> None:
    webbrowser.open(url)
