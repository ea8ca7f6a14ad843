"""The command that takes a stored state out of its storage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from raycl.cli.options import State, StorageUrl, SweepName
from raycl.errors import InputError
from raycl.units import parse_whole

if TYPE_CHECKING:
    from raycl.export.export import Exported


def export(  # noqa: PLR0913 (each is an option of the command)
    storage: StorageUrl,
    state: State,
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", help="A new folder.")] = None,
    to: Annotated[Path | None, typer.Option(help="The folder, as an option.", hidden=True)] = None,
    sweep: SweepName = None,
    dtype: Annotated[
        Literal["original", "float32", "bfloat16", "float16"],
        typer.Option(
            help="Type of the weights; original: that of the checkpoint from which training "
            "began, float32 after a random start."
        ),
    ] = "original",
    max_shard_size: Annotated[str, typer.Option(help="The most of one file.")] = "5GB",
    check: Annotated[
        bool, typer.Option(help="Load the folder and compare its loss before it is called done.")
    ] = True,
    push: Annotated[str | None, typer.Option(help="Upload it to the hub, as owner/name.")] = None,
    private: Annotated[bool, typer.Option(help="With --push: a private repository.")] = False,
) -> None:
    """Write a model as a Hugging Face folder: weights, configuration, tokenizer and model card.

    transformers loads it with nothing of raycl installed. It is whole, or not there at all.

    Example: `raycl export best my-model --storage runs/my`
    """
    from raycl.results.model_card import Weights, card_files
    from raycl.results.named_state import named_state
    from raycl.storage import Storage

    target = _one_folder(folder, to)
    place = Storage(storage)
    file_bytes = _bytes(max_shard_size)
    named = named_state(place, state, sweep)
    # Imported here, because `--help` and errors in names must not wait for torch.
    from raycl.export.export import ExportOptions, export_state
    from raycl.export.push import check_repository, push_folder

    if push is not None:
        check_repository(push)

    def finish(beside: Path, made: Exported) -> None:
        weights = Weights(made.dtype, made.sentence)
        for name, text in card_files(place, named, made.state.mark, weights).items():
            (beside / name).write_text(text, encoding="utf-8")

    options = ExportOptions(dtype, file_bytes, check)
    made = export_state(place, named.state, target, options, finish, print)
    print(f"{made.state.name}: {target}")
    print(made.sentence)
    if push is not None:
        print(push_folder(target, push, private))


def _one_folder(folder: Path | None, to: Path | None) -> Path:
    if (folder is None) == (to is None):
        raise InputError(
            "raycl export",
            "one folder is needed",
            "Write: raycl export STATE DIR --storage STORAGE",
        )
    return folder or to or Path()


def _bytes(text: str) -> int:
    """The bytes in 5GB or 500MB."""
    units = {"GB": "B", "MB": "M", "kB": "k", "KB": "k"}
    try:
        found = parse_whole(text[:-2].strip() + units.get(text[-2:], "?"))
    except ValueError as error:
        problem = "not a size of a file"
        raise InputError(f"--max-shard-size {text!r}", problem, "Write 5GB or 500MB") from error
    if found < 1:
        raise InputError(f"--max-shard-size {text!r}", "no room for weights", "Write 5GB or 500MB")
    return found
