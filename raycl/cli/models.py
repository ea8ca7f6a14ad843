"""Commands for the pretrained models of a storage."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from raycl.cli import complete
from raycl.cli.command import Command
from raycl.cli.options import StorageUrl, SweepName
from raycl.errors import InputError

if TYPE_CHECKING:
    from raycl.storage import Storage

models = typer.Typer(
    no_args_is_help=True,
    help="Pretrained models in a storage.\n\nExample: `raycl models add ./base --storage runs/my`",
)


@models.command(cls=Command)
def add(
    model: Annotated[
        str,
        typer.Argument(
            autocompletion=complete.states,
            help="Folder of a model, its hub name, or of the storage: a state's name or beginning, "
            "a recipe's label, or `best`.",
        ),
    ],
    storage: StorageUrl,
    sweep: SweepName = None,
) -> None:
    """Copy a model into a storage and print its identifier, for `model.pretrained` of recipes.

    Sweeps do this by themselves for folders and hub names. It is of use before `raycl submit`,
    whose jobs run elsewhere, and to start from a stored state: its weights are copied as they were
    trained, so that the state may go afterwards.

    Example: `raycl models add HuggingFaceTB/SmolLM2-135M --storage runs/my`
    """
    from raycl.models.read import read_start
    from raycl.models.references import remember
    from raycl.models.store import check_same_configuration, store_start
    from raycl.storage import Storage

    place = Storage(storage)
    place.check_writable()
    if (state := _state(place, model, sweep)) is not None:
        print(_add_state(place, state))
        return
    start = read_start(model, Path.cwd())
    store_start(place, start)
    check_same_configuration(place, start)
    remember(place, start, Path.cwd())
    print(start.identifier)


def _state(storage: Storage, reference: str, sweep: str | None) -> str | None:
    """The state that is meant; None for a folder, which comes first, or a model of the hub.

    Raises InputError, which says what to name instead.
    """
    from raycl.models.find import is_state_name
    from raycl.models.hub import is_hub_name
    from raycl.models.read import is_there, local_folder
    from raycl.results.named_state import is_named, named_state
    from raycl.states.tree_record import stored_sweeps

    if sweep is None and is_there(local_folder(reference, Path.cwd())):
        return None
    # What is no path and cannot be of the hub is a label, perhaps a misspelt one.
    can_be_model = "/" in reference or is_hub_name(reference) or not stored_sweeps(storage)
    meant = sweep is not None or is_state_name(reference) or not can_be_model
    if not meant and not is_named(storage, reference):
        return None
    return named_state(storage, reference, sweep).state


def _add_state(storage: Storage, reference: str) -> str:
    """Keep the weights of a state as a model to start from; its identifier."""
    from raycl.export.export import ExportOptions, export_state
    from raycl.models.read import read_start
    from raycl.models.store import check_same_configuration, store_start

    with tempfile.TemporaryDirectory(prefix="raycl-start-") as folder:
        model = Path(folder) / "model"
        export_state(storage, reference, model, ExportOptions("float32", check=False))
        start = read_start(str(model), Path.cwd())
        store_start(storage, start)
    check_same_configuration(storage, start)
    return start.identifier


@models.command(cls=Command)
def extend(  # noqa: PLR0913 (each is an option of the command)
    model: Annotated[str, typer.Argument(help="Folder of a model, or its hub name.")],
    to: Annotated[Path, typer.Option(help="A new folder for the model.")],
    text: Annotated[list[str] | None, typer.Option(help="Files that new tokens come from.")] = None,
    tokens: Annotated[int, typer.Option(min=0, help="How many tokens to learn from it.")] = 0,
    token: Annotated[list[str] | None, typer.Option(help="A new token as it is.")] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="Another tokenizer in place of its own: folder or hub name.")
    ] = None,
    initialize: Annotated[str, typer.Option(help="mean, or weighted-mean.")] = "mean",
    sample_bytes: Annotated[int, typer.Option(min=1, help="Bytes read of each text.")] = 4_000_000,
) -> None:
    """Give a model further tokens, or another tokenizer: a folder to continue from.

    A new token's rows are the mean of those of the tokens that stood for it. It prints the bytes
    per token of each text before and after.

    Example: `raycl models extend ./base --to base-german --text german.txt --tokens 4000`
    """
    from raycl.weights.extend import Growth, extend_folder
    from raycl.weights.replace import Replacement, replace_in_folder

    if tokenizer is not None:
        if tokens or token:
            raise InputError(
                f"--tokenizer {tokenizer}",
                "it is all tokens that the model gets, and --tokens or --token name others",
                "Leave one of them out, or run the command twice",
            )
        whole = Replacement(tokenizer, tuple(text or ()), initialize, sample_bytes)
        for sentence in replace_in_folder(model, to, whole):
            print(sentence)
        return
    wanted = Growth(tuple(text or ()), tokens, tuple(token or ()), initialize, sample_bytes)
    for sentence in extend_folder(model, to, wanted):
        print(sentence)
