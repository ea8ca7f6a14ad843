"""Says which stored steps are trained again because their states hold too little."""

from __future__ import annotations

from collections.abc import Mapping

from raycl.plan.chain import Chain
from raycl.plan.holding import Holding, holds_enough, needed_to_go_on
from raycl.plan.state_index import StateIndex
from raycl.plan.stored import StoredTree
from raycl.plan.tree import Tree
from raycl.states.lookup import list_states
from raycl.states.reduced import holdings
from raycl.storage import Storage

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


def too_light_to_continue(storage: Storage, chain: Chain, resets_optimizer: bool) -> str:
    """What a stage after this finished chain trains again, as a sentence; empty for nothing.

    Requests: one listing of the states, and a read of each mark on the chain that may hold less.
    """
    listing = list_states(storage)
    states = list(StateIndex(listing.bytes).along(chain, chain.steps))
    held = holdings(storage, [name for _, name in states if name in listing.reduced])
    if not states or states[0][0] < chain.steps:
        return ""

    def serves(step: int, name: str) -> bool:
        resets = resets_optimizer if step == chain.steps else chain.resets_optimizer(step)
        return holds_enough(held.get(name, "all"), needed_to_go_on(resets))

    end = states[0][1]
    deepest = next((step for step, name in states if serves(step, name)), 0)
    if deepest == chain.steps:
        return ""
    gone = "weights" if held[end] == "results" else "moments of AdamW"
    begin = f"the state after step {deepest:,}" if deepest else "the start"
    return (
        f"The {gone} of the state {end} are gone: the next stage first trains "
        f"{chain.steps - deepest:,} steps again, from {begin}"
    )
