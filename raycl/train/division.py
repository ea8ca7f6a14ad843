"""The layout in which the workers of a node divide its model."""

from __future__ import annotations

import os
from dataclasses import replace

from raycl.plan.planned_memory import Place, training_layout
from raycl.plan.training import Training
from raycl.train.micro_batch import facts_of, room_of
from raycl.train.parallel.world import World


def divided(world: World, task: Training) -> World:
    """The world, with its workers in the layout of the task (collective).

    It follows from what all ranks know of their hosts and of their memory, so that each rank takes
    the same. Raises InputError where the workers do not divide.
    """
    if world.size == 1 and task.execution.layout == "auto":
        return world
    on_host = int(os.environ.get("LOCAL_WORLD_SIZE", world.size))
    on_hosts, rooms = zip(*world.gather((on_host, room_of(world.device))), strict=True)
    per_host = on_host if set(on_hosts) == {on_host} else None
    place = Place("cuda" if world.device.type == "cuda" else "cpu", min(rooms), per_host)
    alone = per_host is None or per_host == world.size
    facts = None if alone else facts_of(task.model, task.sequence_length, task.trains)
    return replace(world, grid=training_layout(task, facts, world.size, place))
