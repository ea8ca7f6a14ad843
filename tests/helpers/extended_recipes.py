"""Plans of the workspace's recipe whose model gets new tokens or another tokenizer."""

from __future__ import annotations

from pathlib import Path

from raycl.recipe.definition import define, read_manifests
from raycl.recipe.resolution import Resolution
from raycl.recipe.sweep_plan import SweepPlan, plan_sweeps, resolve_inputs
from raycl.storage import Storage
from raycl.sweep.new_tokens import make_extensions
from raycl.sweep.prepare_corpora import check_corpora, prepare_all, ready_text
from raycl.train.inspection.inspect_plan import inspected


def made(storage: Storage, said: list[str] | None = None) -> Resolution:
    """What `raycl sweep` does with `recipe.yaml` before it looks at corpora."""
    definitions = (define(Path("recipe.yaml")),)
    resolution = resolve_inputs(definitions, storage)
    prepared = read_manifests(definitions, storage)
    report = (said if said is not None else []).append
    return make_extensions(definitions, resolution, storage, prepared, report)


def prepared(storage: Storage) -> SweepPlan:
    """The sweep when its model is made and its corpora are prepared."""
    definition, resolution = define(Path("recipe.yaml")), made(storage)
    own, where = resolution.own_tokenizer, "recipe.yaml"
    manifests = read_manifests((definition,), storage)
    check_corpora(definition.recipe, storage, where, manifests, own)
    sources = ready_text(definition.recipe, storage, where, lambda _: None, own)
    prepare_all(definition.recipe, sources, storage, lambda _: None, own)
    return planned(storage)


def planned(storage: Storage | None) -> SweepPlan:
    """The sweep as `raycl plan` sees it."""
    return inspected(plan_sweeps((define(Path("recipe.yaml")),), storage))


def names(plan: SweepPlan) -> list[str]:
    """Names of the end states of its nodes."""
    return [node.name for node in plan.tree.nodes]
