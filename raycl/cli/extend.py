"""The command that writes the recipe of the next stage."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from raycl.cli.options import Label, StorageUrl, SweepName
from raycl.errors import InputError

if TYPE_CHECKING:
    from raycl.plan.chain import Chain
    from raycl.states.tree_record import MergeRecord
    from raycl.storage import Storage


def extend(
    storage: StorageUrl,
    new: Annotated[Path, typer.Option("--with", help="YAML with the new corpora and stages.")],
    label: Label = "best",
    sweep: SweepName = None,
) -> None:
    """Print the recipe of the next stage, made from a finished recipe's own values.

    `raycl sweep` of it in the same storage trains the new stages alone.

    Example: `raycl extend --storage runs/my --label best --with new.yaml > next.yaml`
    """
    from raycl.recipe.extend import extended
    from raycl.recipe.load import read_yaml
    from raycl.recipe.resolution import stored_resolution
    from raycl.recipe.stored_recipe import read_recipe
    from raycl.recipe.trained_again import too_light_to_continue
    from raycl.recipe.written_recipe import written_recipe, yaml_text
    from raycl.results.named_state import named_state
    from raycl.states.tree_record import stored_sweeps
    from raycl.storage import Storage

    place = Storage(storage)
    named = named_state(place, label, sweep)
    if named.sweep is None or named.label is None:
        raise InputError(
            f"--label {label!r}",
            "a state, of which no recipe is known",
            f"Name a recipe by its label. {_continued(place, named.state)}",
        )
    if (merge := _merge(place, named.sweep, named.label)) is not None:
        raise InputError(
            f"--label {label!r}",
            f"{named.label!r} is a merged model, and no stage of a recipe goes on from a merge",
            f"{_continued(place, named.state)}. Or extend the recipe whose merge it is: "
            f"--label {shlex.quote(merge.recipe)}",
        )
    definition = read_recipe(place, named.sweep)
    variant = next(v for v in definition.variants if v.label == named.label)
    if variant.kind not in ("sweep", "anneal"):
        problem = f"a baseline ({variant.kind}), whose only stage is made of those of the recipe"
        raise InputError(f"--label {label!r}", problem, "Name a recipe of the sweep, or `best`")
    device = stored_resolution(place, named.sweep).device
    before = written_recipe(definition, variant, device)
    data = extended(before, read_yaml(new), str(new))
    if data["name"] in stored_sweeps(place):
        problem = f"the storage has a sweep {data['name']!r} already"
        raise InputError(f"{new}: name", problem, "Give another name")
    resets = data["stages"][len(before["stages"])].get("optimizer") != "carry"
    chain = _chain(place, named.sweep, variant.trunk or variant.label)
    if chain is not None and (gone := too_light_to_continue(place, chain, resets)):
        Console(stderr=True).print(gone, markup=False, soft_wrap=True)
    print(f"# The next stage after the recipe {named.label!r} of the sweep {named.sweep!r}.")
    print(f"# Its end is the state {named.state}.")
    if variant.kind == "anneal":
        print("# That state is an anneal branch; the new stage goes on from the trunk it left.")
    print(yaml_text(data).rstrip())


def _chain(storage: Storage, sweep: str, label: str) -> Chain | None:
    """The chain of a stored recipe; None where it cannot be resolved any more."""
    from raycl.recipe.stored_chains import stored_chains

    found = stored_chains(storage)(sweep).get(label)
    return found[0] if found else None


def _merge(storage: Storage, sweep: str, label: str) -> MergeRecord | None:
    """The merge of a stored sweep whose row has this label; None where it is a recipe's."""
    from raycl.states.tree_record import find_tree_record

    merges = find_tree_record(storage, sweep).merges
    return next((merge for merge in merges if merge.label == label), None)


def _continued(storage: Storage, state: str) -> str:
    """How training goes on from a state that is no recipe's."""
    return (
        f"`raycl models add {state} --storage {shlex.quote(storage.url)}` prints an identifier: a "
        "new recipe begins from it with model: {pretrained: IDENTIFIER}"
    )
