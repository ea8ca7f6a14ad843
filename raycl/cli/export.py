"""The command that takes a stored state out of its storage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from raycl.cli.options import StorageUrl


def export(
    storage: StorageUrl,
    state: Annotated[str, typer.Argument(help="Name of the state, or a unique beginning.")],
    to: Annotated[Path, typer.Option(help="A new folder.")],
) -> None:
    """Write a state as a Hugging Face folder: weights, configuration and tokenizer."""
    from raycl.storage import Storage

    place = Storage(storage)
    # Imported here, because `--help` must not wait for torch.
    from raycl.evaluation.export import export_state

    print(f"{export_state(place, state, to)}: {to}")
