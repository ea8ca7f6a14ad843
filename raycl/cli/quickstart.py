"""`raycl quickstart`: the first sweep, on text that raycl fetches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from raycl.cli.options import STORAGE_VARIABLE, Overrides, Workers
from raycl.cli.sweep import sweep

_RECIPE = "quickstart"


def quickstart(
    storage: Annotated[
        str, typer.Option(envvar=STORAGE_VARIABLE, help="Local folder, or s3:// or gs:// URL.")
    ] = "runs/quickstart",
    workers: Workers = None,
    overrides: Overrides = None,
) -> None:
    """Train, sweep and report on real text: about six minutes on two cores.

    It is `raycl sweep quickstart --storage runs/quickstart`, and the same command again goes on
    after an interruption. `raycl recipes quickstart > my.yaml` writes its recipe, to be changed.

    Example: `raycl quickstart`
    """
    from raycl.sweep.prepare_corpora import text_cache

    print(f"Text is fetched into {text_cache()}; states and results lie in {storage}", flush=True)
    sweep(Path(_RECIPE), storage, workers=workers, overrides=overrides)
    print("Its recipe, to change it: raycl recipes quickstart > my.yaml")
