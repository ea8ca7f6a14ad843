"""Says which stored states read a corpus again in the order of its first epoch.

Versions before that of `raycl.plan.epochs` did so. Their states have other names from the first
step on that reads a row again, so that none is taken for what recipes mean now.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from raycl.plan.chain import Chain, ChainStage
from raycl.plan.mixture import Mixture, mixture_of
from raycl.plan.state_index import StateIndex
from raycl.plan.tree import Tree


def read_in_one_order(names: Collection[str], tree: Tree) -> str | None:
    """A sentence where storage holds such states of the tree's recipes; None where it does not.

    `names` are the complete states of the storage. A recipe whose end is stored needs none.
    """
    index, found, first = StateIndex(names), set(), []
    for training in tree.recipes.values():
        chain = training.chain
        if not any(map(_reads_again, chain.stages)) or chain.name(chain.steps) in names:
            continue
        earlier = in_one_order(chain)
        shared = chain.divergence(earlier)
        states = [name for _, name in index.along(earlier, earlier.steps, above=shared)]
        found.update(states)
        first += [shared] if states else []
    if not found:
        return None
    return (
        f"{len(found)} states here are of an earlier version, which read a corpus in the same "
        "order again where it repeats. Every epoch now has an order of its own, so from step "
        f"{min(first):,} on these recipes are trained again. The states stay as they are, and can "
        "be evaluated, merged and exported."
    )


def in_one_order(chain: Chain) -> Chain:
    """The chain as earlier versions trained it: new data in the same order in every epoch."""
    stages = [replace(stage, mixture=_in_one_order(stage.mixture)) for stage in chain.stages]
    return Chain(chain.initial, stages, chain.fingerprints, chain.sequence_length)


def _in_one_order(mixture: Mixture) -> Mixture:
    sources = tuple(
        source if source.replay else replace(source, seed=None) for source in mixture.sources
    )
    size, begin = mixture.global_batch, mixture.begin
    return mixture_of(sources, size, mixture.replay, mixture.change, begin)


def _reads_again(stage: ChainStage) -> bool:
    """Whether the stage has new data of a later epoch."""
    supplied = stage.mixture.supplied(np.array([stage.steps]))[:, 0]
    return any(
        rows and not source.replay and source.first + rows > source.limit
        for source, rows in zip(stage.mixture.sources, supplied.tolist(), strict=True)
    )
