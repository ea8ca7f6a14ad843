"""What `raycl status` says of recipes that a search has stopped early."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from raycl.errors import InputError
from raycl.recipe.rungs import recipe_rungs, stopped_text
from raycl.recipe.stored_chains import stored_chains
from raycl.recipe.stored_recipe import read_recipe
from raycl.states.tree_record import NodeRecord
from raycl.storage import Storage


def stopped_early(
    storage: Storage, sweep: str, left: Sequence[NodeRecord], begun: Collection[str]
) -> dict[str, str]:
    """A few words by node, for those that lie beyond the rungs at which their recipes wait.

    `left` are the nodes of the sweep that are not finished, parents before children; those in
    `begun` are in training, or have saved a state, so that nothing holds them. Empty where the
    recipe cannot be read any more.
    """
    try:
        definition = read_recipe(storage, sweep)
    except (InputError, FileNotFoundError):
        return {}
    search = definition.recipe.search
    if search is None or search.early_stopping is None:
        return {}
    chains = {label: chain for label, (chain, _) in stored_chains(storage)(sweep).items()}
    rungs = recipe_rungs(definition, chains)
    waiting = {node.name for node in left}
    told: dict[str, str] = {}
    for node in left:
        at = [rungs[label] for label in node.recipes if label in rungs]
        if node.parent in told:
            told[node.name] = told[node.parent]
        elif node.name in begun or node.parent in waiting or len(at) < len(node.recipes):
            continue
        elif all(node.first_step in one.steps for one in at):
            told[node.name] = stopped_text(node.first_step, at[0].end, search.early_stopping)
    return told
