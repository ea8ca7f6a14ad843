"""A sweep before it is run: its plan with all checks and sentences, and no cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raycl.cluster.memory import worker_memory
from raycl.cluster.options import ClusterOptions
from raycl.data.few_held_out import few_held_out
from raycl.plan.scaling import Machine
from raycl.recipe.definition import Definition, with_stored_proposals
from raycl.recipe.documents import documents_text
from raycl.recipe.epochs import Repetition, repetition_text, repetitions
from raycl.recipe.one_order import read_in_one_order
from raycl.recipe.rates import rate_notes
from raycl.recipe.schema import Recipe
from raycl.recipe.seed import seed_text
from raycl.recipe.seeds import seeds_text
from raycl.recipe.stand_ins import knows_texts
from raycl.recipe.sweep_plan import SweepPlan, plan_sweeps, resolve_inputs
from raycl.recipe.trained_again import trained_again
from raycl.recipe.validation_rows import validation_text
from raycl.states.earlier import earlier_sentence
from raycl.storage import Storage
from raycl.sweep.vocabulary import ModelGrowth, Replaced, vocabulary_growth
from raycl.train.inspection.inspect_plan import inspected
from raycl.train.inspection.token_notes import token_notes

if TYPE_CHECKING:
    from raycl.search.study import Spent


@dataclass(frozen=True)
class Preview:
    """The plan of a sweep, and what to know of it."""

    plan: SweepPlan
    warnings: tuple[str, ...]
    """Sentences on checkpoints and storage that somebody should know before it is run."""
    remarks: tuple[str, ...]
    """Sentences on what the recipe means: new tokens, stand-ins, the seed."""
    grown: tuple[ModelGrowth | Replaced, ...]
    repeated: tuple[Repetition, ...]
    """What is read more than once, by stage and corpus."""


def preview(
    definition: Definition,
    storage: Storage | None = None,
    gpus: bool = False,
    machine: Machine | None = None,
    spent: Callable[[], Spent] | None = None,
) -> Preview:
    """The plan of a definition over what storage holds, on CPUs, on GPUs or on known GPUs.

    Of a search it has the proposals, or the first few that there would be; `spent` is given where
    prices are known. Raises InputError where something in the recipe cannot be trained, or not on
    such machines.
    """
    definition = with_stored_proposals(definition, storage)
    resolution = resolve_inputs((definition,), storage, ClusterOptions(gpus=gpus).device)
    searched: list[str] = []
    if definition.is_search:
        # Imported here: it takes pandas, which most plans do without.
        from raycl.search.preview import with_preview

        definition, searched = with_preview(definition, storage, resolution, spent)
    made = inspected(plan_sweeps((definition,), storage, resolution=resolution))
    made = made.on_gpus(machine) if gpus else made.on_cpus(worker_memory())
    untrained = token_notes(made, storage) if storage is not None else []
    grown = tuple(vocabulary_growth(made, storage))
    again = [read_in_one_order(made.states, made.tree), *trained_again(made.stored, made.tree)]
    repeated = repetitions(training.chain for training in made.tree.recipes.values())
    recipes = [variant.recipe for variant in definition.variants if not variant.seed]
    new_tokens = [found.sentence for found in resolution.unmade]
    new_tokens += [sentence for model in grown for sentence in model.sentences]
    new_tokens.append(documents_text(definition.recipe))
    said = (
        *searched,
        *new_tokens,
        *knows_texts(definition.recipe, recipes),
        repetition_text(repeated),
        _seeds_text(definition, made, recipes) or seed_text(definition.recipe, recipes),
        validation_text(definition.recipe, made.sweeps[0].facts),
    )
    large = rate_notes(recipes)
    few = few_held_out(made.sweeps[0].manifests.values())
    warned = (*made.notes, *untrained, earlier_sentence(made.states), *again, *large, *few)
    sentences = tuple(filter(None, warned)), tuple(filter(None, said))
    return Preview(made, *sentences, grown, tuple(repeated))


def _seeds_text(definition: Definition, made: SweepPlan, recipes: Sequence[Recipe]) -> str:
    """How many seeds there are and what they cost; empty where there is one."""
    of_first = {variant.label for variant in definition.variants if not variant.seed}
    nodes = made.tree.nodes
    further = sum(node.steps for node in nodes if not of_first.intersection(node.recipes))
    steps = sum(node.steps for node in nodes)
    return seeds_text((definition.recipe, *recipes), steps, further)
