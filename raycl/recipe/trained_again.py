"""Says which stored steps are trained again because their states hold too little."""

from __future__ import annotations

from collections.abc import Mapping

from raycl.plan.holding import Holding
from raycl.plan.stored import StoredTree
from raycl.plan.tree import Tree

_SHOWN = 5
_HELD: Mapping[Holding, str] = {"weights": "weights alone", "results": "results alone"}


def trained_again(stored: StoredTree, tree: Tree) -> list[str]:
    """A sentence for each node whose states hold too little to go on from; few of many."""
    found = []
    for node in tree.nodes:
        light = stored.too_light(node)
        if light is None:
            continue
        steps, held = light
        again = steps - node.training.start - stored.done(node)
        found.append(
            f"stage {node.training.stage}: the state after step {steps:,} holds {_HELD[held]}, and "
            f"what goes on from it needs more; {again:,} steps are trained again"
        )
    more = len(found) - _SHOWN
    return found if more <= 0 else [*found[:_SHOWN], f"… and so for {more} more nodes"]
