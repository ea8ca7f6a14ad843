"""`raycl recipes`: the recipes that come with raycl, in a list or one to begin with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

Name = Annotated[
    Path | None,
    typer.Argument(metavar="[RECIPE]", help="Print this recipe instead of the list."),
]


def recipes(recipe: Name = None) -> None:
    """List the recipes that come with raycl, or print one to change it.

    Example: `raycl recipes quickstart > my.yaml`
    """
    from raycl.recipe.packaged import find_recipe, recipe_names, recipe_summary

    if recipe is not None:
        sys.stdout.write(find_recipe(recipe).file.read_text(encoding="utf-8"))
        return
    names = recipe_names()
    width = max(map(len, names))
    for name in names:
        print(f"{name:{width}}  {recipe_summary(name)}")
