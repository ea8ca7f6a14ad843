"""How a state was trained, as the lines of a model card."""

from __future__ import annotations

from collections.abc import Iterator

from raycl.plan.chain import ChainStage
from raycl.plan.documents import ACROSS
from raycl.plan.execution import precision_on
from raycl.plan.mixture import Source
from raycl.recipe.seed import seed_text
from raycl.results.model_card.origin import Origin
from raycl.results.report.number_text import rate_text, share_text
from raycl.states.mark import StateMark
from raycl.states.mark import read_mark as _read_mark
from raycl.storage import Storage, layout
from raycl.units import format_count

_COLUMNS = (
    *("stage", "steps", "tokens", "new data", "replay"),
    *("schedule", "max. rate", "optimizer", "trains"),
)


def lineage(storage: Storage, mark: StateMark, origin: Origin | None) -> Iterator[str]:
    """Every stage up to the state; without its recipe, what its mark alone knows."""
    if mark.merged is not None:
        yield from _merged(storage, mark)
        if origin is not None:
            yield from ("", "The merged state was trained so:", "")
            yield from _stages(origin)
    elif origin is not None:
        yield from _stages(origin)
        if mark.created:
            yield f"The state was written on {mark.created}."
    else:
        part = f", which trained {mark.trains}" if mark.trains else ""
        yield (
            f"The recipe is not known any more. The state was written after {mark.step:,} steps "
            f"and {format_count(mark.tokens)} tokens, in the stage `{mark.stage}`{part}."
        )
    yield ""
    yield from _corpora(mark)


def _stages(origin: Origin) -> Iterator[str]:
    chain, recipe = origin.training.chain, origin.variant.recipe
    yield f"| {' | '.join(_COLUMNS)} |"
    yield "|---" * len(_COLUMNS) + "|"
    for number, (stage, first) in enumerate(zip(chain.stages, chain.starts, strict=False)):
        done = min(stage.steps, origin.step - first)
        if done <= 0:
            break
        cells = (
            stage.name,
            f"{done:,}" if done == stage.steps else f"{done:,} of {stage.steps:,}",
            format_count(done * chain.tokens_per_step),
            _sources(stage, replay=False),
            f"{share_text(float(stage.mixture.replay))} {_sources(stage, replay=True)}".strip(),
            str(getattr(stage.schedule, "kind", "anneal")),
            rate_text(stage.schedule.peak),
            "begins" if not number else "reset" if stage.reset_optimizer else "carried on",
            stage.trains.text,
        )
        yield f"| {' | '.join(cells)} |"
    yield ""
    batch = f"{chain.global_batch} sequences of {chain.sequence_length} tokens"
    values = origin.training.optimizer.model_dump(exclude_none=True)
    optimizer = ", ".join(f"{name} {value}" for name, value in values.items())
    yield f"A step has {batch}. AdamW: {optimizer}. {seed_text(recipe)}"
    precision = precision_on(recipe.execution.precision, origin.plan.resolution.device)
    yield f"Training computed in {precision} and kept its weights in float32."
    for stage in chain.stages:
        if stage.loss_weights_text:
            yield f"{stage.name}: {stage.loss_weights_text}."
    if recipe.documents != ACROSS:
        yield "Attention and loss stopped at the borders of documents."
    if any(stage.trains.lora for stage in chain.stages):
        yield "Adapters (lora) are merged into the weights: the model has none beside them."


def _sources(stage: ChainStage, replay: bool) -> str:
    chosen = [source for source in stage.mixture.sources if source.replay == replay]
    if len(chosen) == 1:
        return chosen[0].corpus
    return ", ".join(f"{source.corpus} {_weight(stage, source)}" for source in chosen)


def _weight(stage: ChainStage, source: Source) -> str:
    """The share of a source: `90%`, or `90% → 20%` where the mixture changes inside the stage."""
    shares = [source.weight]
    if stage.mixture.change is not None and source.later not in (None, source.weight):
        shares.append(source.later)
    return " → ".join(share_text(float(share)) for share in shares)


def _corpora(mark: StateMark) -> Iterator[str]:
    if not mark.metadata.corpora:
        return
    yield "| corpus | fingerprint of its content |"
    yield "|---|---|"
    for name, origin in mark.metadata.corpora.items():
        yield f"| {name} | `{origin.fingerprint}` |"
    if mark.metadata.tokenizer:
        yield ""
        yield f"Fingerprint of the tokenizer: `{mark.metadata.tokenizer}`."


def _merged(storage: Storage, mark: StateMark) -> Iterator[str]:
    origin = mark.merged
    if origin is None:
        return
    numbers = {"weight": origin.weight, "density": origin.density, "scale": origin.scale}
    settings = [origin.method, *(f"{name} {n:g}" for name, n in numbers.items() if n is not None)]
    if origin.weights:
        settings.append(f"in this order the weights {', '.join(f'{n:g}' for n in origin.weights)}")
    yield f"Merged from stored models, without training ({', '.join(settings)})."
    yield from _partner(storage, "base", origin.base)
    for name in origin.states:
        yield from _partner(storage, "merged", name)
    if origin.instruct:
        yield from _partner(storage, "instruct model", layout.start(origin.instruct))


def _partner(storage: Storage, role: str, name: str) -> Iterator[str]:
    folder, _, identifier = name.rpartition("/")
    if folder:
        yield f"- {role}: the pretrained model with the identifier `{identifier}`"
    else:
        yield f"- {role}: `{name}`{_described(storage, name)}"


def _described(storage: Storage, name: str) -> str:
    try:
        mark = _read_mark(storage, name)
    except FileNotFoundError:
        return " (no longer stored)"
    return f": {mark.step:,} steps, {format_count(mark.tokens)} tokens, stage `{mark.stage}`"
