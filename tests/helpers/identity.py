"""Everything that a training depends on, as one value that the test of identity changes in parts.

`Inputs` describes a project: a checkpoint and prepared text. `end_state` lays it out as files, and
returns the name of the end state that `raycl plan` would compute there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raycl.plan.execution import Device
from raycl.recipe import parse_recipe, resolve
from raycl.recipe.resolution import read_resolution
from raycl.recipe.stage_rows import CorpusFacts
from tests.helpers.checkpoints import CONFIG, Tensors, small_tensors, write_checkpoint
from tests.helpers.recipe_data import facts, recipe_data


@dataclass(frozen=True)
class Inputs:
    """A recipe with its checkpoint and the facts of its corpora."""

    recipe: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the recipe that differ from `recipe_data`."""
    tensors: Tensors = field(default_factory=small_tensors)
    config: Mapping[str, Any] = field(default_factory=lambda: dict(CONFIG))
    shards: int = 1
    order: Sequence[str] | None = None
    metadata: Mapping[str, str] | None = None
    folder: str = "base"
    device: Device = "cpu"
    corpora: Mapping[str, CorpusFacts] = field(
        default_factory=lambda: facts({"old": 10_000, "new": 10_000}, vocabulary=64)
    )


def end_state(inputs: Inputs, place: Path) -> str:
    """Name of the recipe's end state; `place` is a new folder."""
    folder = write_checkpoint(
        place / inputs.folder,
        inputs.tensors,
        inputs.config,
        inputs.shards,
        inputs.order,
        inputs.metadata,
    )
    recipe = parse_recipe(
        recipe_data(**{"model": {"pretrained": str(folder)}, **inputs.recipe}), "x"
    )
    resolution = read_resolution([recipe], None, inputs.device)
    chain = resolve(recipe, inputs.corpora, "x", resolution=resolution).chain
    return chain.name(chain.steps)
