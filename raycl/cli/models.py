"""Commands for the pretrained models of a storage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from raycl.cli.options import StorageUrl

models = typer.Typer(no_args_is_help=True, help="Pretrained models in a storage.")


@models.command()
def add(
    model: Annotated[str, typer.Argument(help="Folder of a model, or its hub name.")],
    storage: StorageUrl,
) -> None:
    """Copy a model into a storage and print its identifier, for `model.pretrained` of recipes.

    Sweeps do this by themselves. It is of use before `raycl submit`, whose jobs run elsewhere.
    """
    from raycl.models.read import read_start
    from raycl.models.references import remember
    from raycl.models.store import check_same_configuration, store_start
    from raycl.storage import Storage

    place = Storage(storage)
    place.check_writable()
    start = read_start(model, Path.cwd())
    store_start(place, start)
    check_same_configuration(place, start)
    remember(place, start, Path.cwd())
    print(start.identifier)
