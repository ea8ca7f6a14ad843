"""The command that lets a stored model continue a text."""

from __future__ import annotations

import math
import sys
from typing import Annotated

import typer

from raycl.cli.options import State, StorageUrl, SweepName
from raycl.errors import InputError

_LEAST = 1e-3
"""The lowest temperature: far below it, logits / temperature is more than float32 holds."""


def generate(  # noqa: PLR0913 (each is an option of the command)
    storage: StorageUrl,
    state: State,
    prompts: Annotated[
        list[str] | None,
        typer.Argument(metavar="PROMPT", help="Texts; default: each line of the input."),
    ] = None,
    sweep: SweepName = None,
    tokens: Annotated[int, typer.Option(min=1, help="Tokens to add, at most.")] = 64,
    temperature: Annotated[
        float, typer.Option(min=0.0, help="0 takes the likeliest token; else tokens are drawn.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Draws the tokens.")] = 0,
    gpu: Annotated[bool, typer.Option("--gpu", help="Compute on a GPU.")] = False,
) -> None:
    """Let a stored model continue texts, for a first look; each is printed with what is added.

    A text begins as a document of the training does, and ends where the model ends a document.

    Example: `raycl generate best "Once upon a time" --storage runs/my`
    """
    from raycl.results.named_state import named_state
    from raycl.storage import Storage

    place = Storage(storage)
    name = named_state(place, state, sweep).state
    asked = list(prompts or ()) or _lines()
    if not asked:
        raise InputError(
            "PROMPT",
            "there is none",
            'Give a text: raycl generate STATE "Once upon" --storage STORAGE',
        )
    if not math.isfinite(temperature) or 0 < temperature < _LEAST:
        problem = "no distribution to draw from"
        raise InputError(f"--temperature {temperature:g}", problem, f"Give 0, or {_LEAST} or more")
    # Imported here, because `--help` and errors in names must not wait for torch.
    from raycl.evaluation.generate import Sampling, continuations

    sampling = Sampling(tokens, temperature, seed)
    added_texts = continuations(place, name, asked, sampling, gpu)
    for prompt, added in zip(asked, added_texts, strict=True):
        print(f"{prompt}{added}\n", flush=True)


def _lines() -> list[str]:
    """The lines of the input; none where it is closed. Raises InputError where it is no text."""
    if sys.stdin is None or sys.stdin.closed:
        return []
    try:
        return [line.rstrip("\n") for line in sys.stdin]
    except UnicodeDecodeError as error:
        raise InputError("the input", "not UTF-8 text", "Save it as UTF-8") from error
