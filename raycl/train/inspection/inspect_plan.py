"""Looks into every model of a plan before a cluster starts.

Presets, and configurations of their types that change sizes alone, are checked where the plan is
made, so that their plan needs neither torch nor transformers, whose import takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from raycl.errors import InputError, within
from raycl.models.configuration import is_plain
from raycl.models.start import Start
from raycl.plan.documents import ACROSS
from raycl.plan.execution import Device
from raycl.plan.model_facts import ModelFacts, facts_key
from raycl.plan.training import ModelSpec, Training
from raycl.plan.tree import Node
from raycl.recipe.definition import is_prepared
from raycl.recipe.resolution import Resolution
from raycl.recipe.sweep_plan import PlannedSweep, SweepPlan
from raycl.recipe.tokenizer_facts import known_vocabulary


def inspected(plan: SweepPlan) -> SweepPlan:
    """The plan with the facts of its models.

    Raises InputError where a model cannot be trained as its recipe wants.
    """
    found: dict[str, ModelFacts] = {}
    for sweep in plan.sweeps:
        _check_fields(sweep)
        vocabulary, where = _vocabulary(sweep, plan.resolution), sweep.definition.where
        for variant in sweep.definition.variants:
            training = sweep.trainings[variant.label]
            _check_device(training, plan.resolution.device, where)
            model, length = training.model, training.sequence_length
            key = facts_key(model, length)
            if model.pretrained is not None or not is_plain(model.config):
                if key not in found:
                    given = variant.recipe.model.pretrained
                    start = plan.resolution.start(given) if given is not None else None
                    found[key] = _inspect(model, start, length, vocabulary, where)
                _check_execution(training, found[key], where)
            _check_documents(training, found.get(key), where)
            _inspect_stages(training, found, where)
    _check_workers(plan.tree.nodes, found, plan.sweeps[0].definition.where)
    return plan.with_models(found)


def _inspect(
    model: ModelSpec, start: Start | None, length: int, vocabulary: int, where: str
) -> ModelFacts:
    from raycl.train.inspection.inspect import inspect_model
    from raycl.train.model.architecture import check_type

    if start is None:
        return inspect_model(model, None, length, vocabulary, where)
    where = f"{where}: model.pretrained {start.reference!r}"
    with within(where):
        check_type(start.config)
    # A model of an earlier resolution has no tensors here: it was looked into at that time.
    tensors = start.tensors if model.pretrained is not None else None
    return inspect_model(model, tensors or None, length, vocabulary, where)


def _inspect_stages(training: Training, found: dict[str, ModelFacts], where: str) -> None:
    """Look at what stages that train a part of the model would train of it."""
    model, length = training.model, training.sequence_length
    for stage in training.chain.stages:
        key = facts_key(model, length, stage.trains)
        if stage.trains.everything:
            continue
        with within(f"{where}: stages.{stage.name}.trains"):
            if stage.trains.lora is not None and training.execution.tensor_parallel > 1:
                raise InputError(
                    "lora",
                    "matrices with adapters cannot be divided (execution.layout.tensor)",
                    "Set execution.layout.tensor to 1",
                )
            if key not in found:
                from raycl.train.inspection.inspect import inspect_stage

                found[key] = inspect_stage(model, length, stage.trains)


def _check_fields(sweep: PlannedSweep) -> None:
    """Check the names of fields that the recipe itself gives, not those of a checkpoint."""
    seen: list[ModelSpec] = []
    for variant in sweep.definition.variants:
        training = sweep.trainings[variant.label]
        written = variant.recipe.model.pretrained is None
        if written and training.model not in seen and not is_plain(training.model.config):
            from raycl.train.model.architecture import check_fields

            seen.append(training.model)
            with within(sweep.definition.where):
                check_fields(training.model.config)


def _vocabulary(sweep: PlannedSweep, resolution: Resolution) -> int:
    """Tokens of the sweep's tokenizer; 1 where it is not known yet, which every model has."""
    prepared = [f.vocabulary for f in sweep.facts.values() if is_prepared({"": f})]
    if prepared:  # all corpora have one tokenizer, whose own files may be gone by now
        return max(prepared)
    definition = sweep.definition
    own = resolution.own_tokenizer
    return known_vocabulary(definition.recipe, definition.where, own) or 1


def _check_device(training: Training, device: Device, where: str) -> None:
    execution = training.execution
    if execution.attention != "flash":
        return
    field = f"{where}: execution.attention flash"
    if device == "cpu":
        raise InputError(field, "it needs GPUs", "Run with --gpus, or take sdpa or auto")
    if execution.precision == "float32":
        raise InputError(field, "it cannot compute in float32", "Set execution.precision: bfloat16")


def _check_execution(training: Training, facts: ModelFacts, where: str) -> None:
    execution = training.execution
    if execution.attention not in ("auto", *facts.attention):
        raise InputError(
            f"{where}: execution.attention {execution.attention}",
            "the model does not support it, or would lose the soft cap of its attention",
            f"Take auto, or one of {', '.join(facts.attention)}",
        )
    if execution.activation_checkpointing in ("full", "selective") and not facts.recomputes:
        raise InputError(
            f"{where}: execution.activation_checkpointing",
            "the model cannot compute its activations again",
            "Set it to none, and execution.micro_batch to fewer rows",
        )


def _check_documents(training: Training, facts: ModelFacts | None, where: str) -> None:
    """Check that attention can be kept within documents; that of plain models can (tested)."""
    if training.documents == ACROSS or facts is None:
        return
    from raycl.train.model.attention import NAMES
    from raycl.train.model.within_documents import check_within

    wanted = training.execution.attention
    # Whether flash attention is installed on the workers is not known here.
    names = (NAMES["sdpa"], NAMES["eager"]) if wanted == "auto" else (NAMES[wanted],)
    with within(where):
        check_within(training.model.config, facts.parameters, names)


def _check_workers(nodes: Iterable[Node], found: Mapping[str, ModelFacts], where: str) -> None:
    """Check that the models of nodes with several workers can be divided."""
    for training in (node.training for node in nodes if node.training.workers > 1):
        facts = found.get(facts_key(training.model, training.sequence_length))
        if facts is not None and not facts.divides:
            raise InputError(
                f"{where}: workers of stage {training.stage}: {training.workers}",
                "the model's transformer blocks were not found, so workers cannot divide it",
                "Train it with workers: 1",
            )
