"""Marks of states that no training wrote."""

from __future__ import annotations

from typing import Any

from raycl.plan.training import ModelSpec
from raycl.states.mark import Metadata, StateMark


def state_mark(name: str, **fields: Any) -> StateMark:
    """The mark of a state as a training may have written it; `fields` replace some of it."""
    facts: dict[str, Any] = {
        "name": name,
        "step": int(name.partition("-")[0]),
        "stage": "s",
        "optimizer_steps": 0,
        "tokens": 0,
        "world_size": 1,
        "model": ModelSpec(),
        "metadata": Metadata(corpora={}),
        "previous": None,
        "previous_step": 0,
        "seconds": 0.0,
        "kept": True,
        "files": {},
    }
    return StateMark(**(facts | fields))
