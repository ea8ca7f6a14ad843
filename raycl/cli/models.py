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


@models.command()
def extend(  # noqa: PLR0913 (each is an option of the command)
    model: Annotated[str, typer.Argument(help="Folder of a model, or its hub name.")],
    to: Annotated[Path, typer.Option(help="Folder for the new model; it must not exist.")],
    text: Annotated[list[str] | None, typer.Option(help="Files that new tokens come from.")] = None,
    tokens: Annotated[int, typer.Option(min=0, help="How many tokens to learn from it.")] = 0,
    token: Annotated[list[str] | None, typer.Option(help="A new token as it is.")] = None,
    initialize: Annotated[str, typer.Option(help="mean, or weighted-mean.")] = "mean",
    sample_bytes: Annotated[int, typer.Option(min=1, help="Bytes read of each text.")] = 4_000_000,
) -> None:
    """Give a model further tokens, for a new language: a folder to continue from.

    A new token's rows are the mean of those of the tokens that stood for it. It prints the bytes
    per token of each text before and after.
    """
    from raycl.weights.extend import Growth, extend_folder

    wanted = Growth(tuple(text or ()), tokens, tuple(token or ()), initialize, sample_bytes)
    for sentence in extend_folder(model, to, wanted):
        print(sentence)
