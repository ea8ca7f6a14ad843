"""The command that merges stored states with each other or with the model they began from."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated

import typer
from rich.console import Console

from raycl.cli import complete
from raycl.cli.options import States, StorageUrl, SweepName
from raycl.cli.states import Rows, print_losses
from raycl.errors import InputError, within
from raycl.plan.merge_method import KINDS, START, Kind, MergeMethod, ties
from raycl.storage import Storage
from raycl.units import parse_number

_LINEAR = ("50%",)
_DENSITY = ("20%",)


def merge(  # noqa: PLR0913 (each is an option of the command)
    storage: StorageUrl,
    states: States,
    base: Annotated[
        str,
        typer.Option(
            autocompletion=complete.states,
            help="The state from which they were trained, or `start`: the model.",
        ),
    ] = "start",
    method: Annotated[
        str | None,
        typer.Option(help="linear, task-arithmetic or ties. Default: ties without --weight."),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--weight",
            help="Of the states against the base, 0% to 100% (linear), or the factor on what they "
            "changed (0.3,0.7: one for each state); repeat it for one new state each.",
        ),
    ] = None,
    density: Annotated[
        list[str] | None,
        typer.Option(help="ties: share of changes that stays; repeat it for one state each. [20%]"),
    ] = None,
    scale: Annotated[float, typer.Option(help="ties: factor on the merged changes.")] = 1.0,
    instruct: Annotated[
        str | None,
        typer.Option(help="Add what this model (folder or hub name) differs by from the base."),
    ] = None,
    corpora: Annotated[
        list[str] | None, typer.Option("--corpus", help="Measure merged states and states on it.")
    ] = None,
    rows: Rows = None,
    sweep: SweepName = None,
) -> None:
    """Merge states with the state or the model from which they were trained, into new states.

    linear: (1 − w)·base + w·mean of states. task-arithmetic: base + w·sum of what each changed,
    or with a w for each state. ties: Yadav et al. 2023.
    With --instruct: the state + w·(instruct model − base).

    The new states can be measured, exported and merged again like any other.

    Example: `raycl merge best --storage runs/my --weight 50% --corpus german`
    """
    methods = _methods(method, weights, density, scale, instruct)
    from raycl.evaluation.losses import evaluate_state, validation_manifest
    from raycl.results.named_state import named_state
    from raycl.weights.merge import merge_states

    place = Storage(storage)
    states = [named_state(place, reference, sweep).state for reference in states]
    base = base if base == START else named_state(place, base, sweep).state
    for corpus in corpora or ():
        validation_manifest(place, corpus)  # raises for an unknown corpus before anything is merged
    identifier = _kept(place, instruct, base, states) if instruct else None
    made: list[str] = []
    for one in methods:
        name = merge_states(place, base, states, one, identifier)
        word = "weight" if one.density is None else "density"
        print(f"{word} {one.text}: {name}")
        made.append(name)
    if corpora:
        partners = dict.fromkeys([*states, *([] if base == START else [base])])
        losses = {name: evaluate_state(place, name, corpora, rows) for name in [*partners, *made]}
        print_losses(place, losses, Console())


def _kept(storage: Storage, instruct: str, base: str, states: Sequence[str]) -> str:
    """The instruct model's identifier, once the storage has it. Raises InputError."""
    from raycl.weights.instruct_model import keep_instruct

    if len(states) > 1:
        raise InputError("--instruct", f"{len(states)} states are named", "Name one")
    identifier = keep_instruct(storage, instruct, base, states[0])
    print(
        f"instruct model: {identifier}. An export has the state's tokenizer, and this model's "
        "chat template and generation settings."
    )
    return identifier


def _methods(
    method: str | None,
    weights: Sequence[str] | None,
    densities: Sequence[str] | None,
    scale: float,
    instruct: str | None,
) -> list[MergeMethod]:
    """The merges that the options ask for. Raises InputError, without reading anything."""
    kind = _kind(method, weights, densities, instruct)
    if kind == "ties":
        if weights:
            raise InputError("--weight", "ties has none", "Give --scale, or another --method")
        return [ties(_number("--density", text), scale) for text in densities or _DENSITY]
    if densities:
        raise InputError("--density", f"{kind} has none", "Leave it out, or give --method ties")
    if scale != 1.0:
        raise InputError("--scale", f"{kind} has none", "Give --weight")
    default = _LINEAR if kind == "linear" else ("1",)
    found = []
    for text in weights or default:
        with within(f"--weight {text!r}"):
            found.append(_weighed(kind, text))
    return found


def _weighed(kind: Kind, text: str) -> MergeMethod:
    """The merge with one weight, or with one for each state: `0.3,0.7`."""
    numbers = [_number("--weight", one) for one in text.split(",")]
    if len(numbers) == 1:
        return MergeMethod(kind, numbers[0])
    return MergeMethod(kind, weights=tuple(numbers))


def _kind(
    method: str | None,
    weights: Sequence[str] | None,
    densities: Sequence[str] | None,
    instruct: str | None,
) -> Kind:
    if instruct is not None:
        if method is not None:
            raise InputError("--method", "--instruct is a method of its own", "Leave one out")
        return "instruct-residual"
    if method is None:
        if weights and any("," in text for text in weights):
            return "task-arithmetic"  # the only one with a weight for each state
        return "linear" if weights and not densities else "ties"
    for kind in KINDS:
        if kind == method:
            return kind
    raise InputError(f"--method {method!r}", "not known", f"Give {', '.join(KINDS)}")


def _number(option: str, text: str) -> Fraction:
    try:
        return parse_number(text)
    except ValueError as error:
        raise InputError(f"{option} {text!r}", str(error), "Write 20% or 0.2") from error
