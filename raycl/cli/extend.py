"""The command that writes the recipe of the next stage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from raycl.errors import InputError


def extend(
    storage: Annotated[str, typer.Argument(help="Storage of the finished sweep.")],
    new: Annotated[Path, typer.Option("--with", help="YAML with the new corpora and stages.")],
    recipe: Annotated[str, typer.Option(help="A finished recipe's label, or `best`.")] = "best",
    sweep: Annotated[str | None, typer.Option(help="Its sweep; default: the only one.")] = None,
) -> None:
    """Print the recipe of the next stage, made from a finished recipe's own values.

    `raycl sweep` of it in the same storage trains the new stages alone.
    """
    from raycl.recipe.extend import extended
    from raycl.recipe.load import read_yaml
    from raycl.recipe.resolution import stored_resolution
    from raycl.recipe.stored_recipe import read_recipe
    from raycl.recipe.written_recipe import written_recipe, yaml_text
    from raycl.results.named_state import named_state
    from raycl.states.tree_record import stored_sweeps
    from raycl.storage import Storage

    place = Storage(storage)
    named = named_state(place, recipe, sweep)
    if named.sweep is None or named.label is None:
        raise InputError(
            f"--recipe {recipe!r}",
            "a state, of which no recipe is known",
            "Name a recipe by its label. A state alone is continued by a new recipe with "
            f"model: {{pretrained: FOLDER}}, after `raycl export {recipe} FOLDER`",
        )
    definition = read_recipe(place, named.sweep)
    variant = next(v for v in definition.variants if v.label == named.label)
    if variant.kind not in ("sweep", "anneal"):
        problem = f"a baseline ({variant.kind}), whose only stage is made of those of the recipe"
        raise InputError(f"--recipe {recipe!r}", problem, "Name a recipe of the sweep, or `best`")
    device = stored_resolution(place, named.sweep).device
    data = extended(written_recipe(definition, variant, device), read_yaml(new), str(new))
    if data["name"] in stored_sweeps(place):
        problem = f"the storage has a sweep {data['name']!r} already"
        raise InputError(f"{new}: name", problem, "Give another name")
    print(f"# The next stage after the recipe {named.label!r} of the sweep {named.sweep!r}.")
    print(f"# Its end is the state {named.state}.")
    if variant.kind == "anneal":
        print("# That state is an anneal branch; the new stage goes on from the trunk it left.")
    print(yaml_text(data).rstrip())
