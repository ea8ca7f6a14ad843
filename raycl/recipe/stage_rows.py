"""One stage of a recipe as steps: the rows that it reads, after what was read before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from raycl.errors import InputError
from raycl.plan.anneal import Annealed
from raycl.plan.chain import ChainStage
from raycl.plan.mixture import Mixture, Source, mixture_of
from raycl.plan.schedule import BaseSchedule
from raycl.plan.shifted import Shifted
from raycl.recipe.epochs import check_named, end_position, too_many_epochs
from raycl.recipe.lengths import tokens_per_step, trained_steps, whole_steps
from raycl.recipe.loss_weights import loss_weights
from raycl.recipe.mixtures import change_of, later_shares, named_corpora, shares
from raycl.recipe.past import Past, rows_supplied, share_of
from raycl.recipe.schema import Recipe, Stage
from raycl.recipe.stage_schedule import annealed, check_phases, end_rate, known_schedule
from raycl.units import Length, format_number

_BEFORE_THE_FIRST = (
    "Replay belongs to a later stage; with model.pretrained, name in model.knows a corpus that "
    "stands in for what the model was trained on; other data belong to the mixture"
)


@dataclass(frozen=True)
class CorpusFacts:
    """The facts of a prepared corpus that planning needs."""

    folder: str
    rows: int
    validation_rows: int
    row_length: int
    vocabulary: int
    fingerprint: str
    seed: int = 0
    """The seed with which it was shuffled, and by which later epochs are."""


def rest_of_stage(
    recipe: Recipe,
    stage: Stage,
    corpora: Mapping[str, CorpusFacts],
    past: Past,
    at: Length | None = None,
    begin: int = 0,
) -> ChainStage:
    """The steps of a stage from `begin` to its end; the changes that it may have are ignored.

    `past` has what was read before it, and `latest` of it is the part before. `at` is where an
    anneal branch leaves the stage. Raises InputError for what cannot be read or scheduled.
    """
    mixture = _mixture(recipe, stage, corpora, past, begin)
    parent = None
    if past.latest is not None and not stage.schedule.known:
        parent = end_rate(past.latest, tokens_per_step(recipe))
    schedule: BaseSchedule | Annealed = known_schedule(stage, parent)
    whole, wanted = whole_steps(recipe, stage), trained_steps(recipe, stage)
    if at is not None:
        schedule, wanted = annealed(recipe, stage, known_schedule(stage, parent), at)
    _check_left(stage, schedule, wanted, begin)
    steps, supplied = _possible_steps(stage, wanted - begin, mixture, corpora)
    if not _same_shares(past.latest, mixture):
        _check_supplied(stage, mixture, supplied, steps)
    if steps < wanted - begin and stage.stop_after is None:
        whole = begin + steps  # the schedule ends where its data does
    check_phases(stage, whole, tokens_per_step(recipe))
    return ChainStage(
        stage.name,
        steps,
        Shifted(schedule, begin, whole) if begin else schedule,
        mixture,
        stage.optimizer == "reset" and not begin,
        workers=stage.workers.max,
        fewest_workers=stage.workers.min,
        whole_steps=whole,
        trains=stage.trains,
        loss_weights=loss_weights(stage, (source.corpus for source in mixture.sources)),
    )


def _check_left(stage: Stage, schedule: BaseSchedule | Annealed, wanted: int, begin: int) -> None:
    """Raise InputError where nothing is left of a stage from its step `begin` on."""
    if begin and isinstance(schedule, Annealed) and schedule.at < begin:
        raise InputError(
            f"stages.{stage.name}.anneal.at",
            f"an anneal leaves the stage in step {schedule.at}, before its change in step {begin}",
            f"Let it leave in step {begin} or later, or change the stage earlier",
        )
    if begin and begin >= wanted:
        raise InputError(
            f"stages.{stage.name}.changes",
            f"a change in step {begin}, after which the stage has {wanted} steps in all",
            "Let it change earlier, or make it longer",
        )


def _possible_steps(
    stage: Stage, wanted: int, mixture: Mixture, corpora: Mapping[str, CorpusFacts]
) -> tuple[int, tuple[int, ...]]:
    """The steps for which the corpora have rows, and the rows of each source. Raises InputError."""
    try:
        steps = _allowed_steps(stage, wanted, mixture, corpora)
        return steps, rows_supplied(mixture, steps)
    except OverflowError as error:
        raise InputError(
            f"stages.{stage.name}",
            f"{wanted} steps are more than can be counted ({error})",
            "Give fewer tokens",
        ) from error


def _same_shares(before: ChainStage | None, mixture: Mixture) -> bool:
    """Whether a part of a stage goes on with the shares of the part before."""
    if before is None or not mixture.begin or before.mixture.replay != mixture.replay:
        return False
    old, new = (
        [(source.corpus, source.replay, source.weight, source.later) for source in each.sources]
        for each in (before.mixture, mixture)
    )
    return old == new


def check_carried(stage: Stage, latest: ChainStage | None) -> None:
    """Raise InputError where moments are carried over to other weights than they belong to."""
    if stage.optimizer == "carry" and latest is not None:
        before, now = latest.trains, stage.trains
        if before.in_names() != now.in_names():
            raise InputError(
                f"stages.{stage.name}.optimizer carry",
                f"the stage trains {now.text} and {latest.name} trains {before.text}, so AdamW's "
                "state is that of other weights",
                "Write optimizer: reset, or the same `trains` in both stages",
            )


def _mixture(
    recipe: Recipe,
    stage: Stage,
    corpora: Mapping[str, CorpusFacts],
    history: Past,
    begin: int,
) -> Mixture:
    check_named(stage)
    later = later_shares(stage)
    sources = [
        Source(
            corpus,
            share,
            first=history.next_new.get(corpus, 0),
            limit=_rows_of(stage, corpus, corpora),
            at_end=stage.at_end,
            seed=corpora[corpus].seed,
            end=end_position(stage, corpus, corpora[corpus].rows),
            later=later[corpus] if later is not None else None,
        )
        for corpus, share in shares(stage).items()
    ]
    sources += _replay_sources(stage, corpora, history, begin)
    change = change_of(recipe, stage)
    return mixture_of(tuple(sources), recipe.rows_per_step, stage.replay_share, change, begin)


def _rows_of(stage: Stage, corpus: str, corpora: Mapping[str, CorpusFacts]) -> int:
    """The corpus' training rows. Raises InputError where it has none."""
    if corpora[corpus].rows == 0:
        raise InputError(
            f"stages.{stage.name}.mixture.{corpus}",
            "the corpus has no training rows",
            "Give it more text",
        )
    return corpora[corpus].rows


def _replay_sources(
    stage: Stage, corpora: Mapping[str, CorpusFacts], history: Past, begin: int
) -> list[Source]:
    """The sources of old data, weighed by what was seen of each (paper §4) or as the stage says.

    Inside a stage, positions count on from its first step, as those of the whole stage do.
    """
    field = f"stages.{stage.name}.replay"
    if not stage.replay_share:
        return []
    if not history.mixes:
        raise InputError(
            field,
            "nothing was seen before the first stage",
            _BEFORE_THE_FIRST,
        )
    if isinstance(stage.replay, Fraction):
        weights = history.shares()
    else:
        weights = {c: share / stage.replay_share for c, share in stage.replay.items()}
    sources = []
    for corpus, weight in weights.items():
        if corpus not in corpora:
            raise InputError(f"{field}.{corpus}", "no such corpus", f"Known: {', '.join(corpora)}")
        _check_read_once(stage, corpus, history)
        limit = history.seen.get(corpus, 0)
        if stage.replay_from == "all":
            limit = corpora[corpus].rows
        if limit == 0:
            raise InputError(
                f"{field}.{corpus}",
                "no stage has seen this corpus before",
                f"Seen: {', '.join(history.seen)}; or give replay_from: all",
            )
        first = history.next_replay.get(corpus, 0)
        if not begin:
            first %= limit
        sources.append(Source(corpus, weight, True, first, limit, "repeat"))
    return sources


def _check_read_once(stage: Stage, corpus: str, history: Past) -> None:
    """Raise InputError for a stand-in of which a stage would read each row twice.

    Nothing of it was read yet, so that as new data and as replay it begins at the same row.
    """
    if corpus in named_corpora(stage) and corpus in history.seen and corpus not in history.next_new:
        raise InputError(
            f"stages.{stage.name}.replay",
            f"the mixture has {corpus!r} already, which stands in for what the model knows: the "
            "same rows would be read twice",
            f"Leave {corpus} out of the mixture, or give replay by name without it",
        )


@lru_cache(maxsize=1024)
def _steps_until_end(mixture: Mixture, steps: int) -> Mapping[str, int]:
    return mixture.steps_until_end(steps)


def _allowed_steps(
    stage: Stage, steps: int, mixture: Mixture, corpora: Mapping[str, CorpusFacts]
) -> int:
    """The steps that are wanted, or with `at_end: stop` those for which the corpora have rows."""
    allowed = _steps_until_end(mixture, steps)
    if not allowed or min(allowed.values()) >= steps:
        return steps
    corpus = min(allowed, key=lambda name: allowed[name])
    if stage.at_end == "stop" and allowed[corpus] > 0:
        return allowed[corpus]
    if stage.max_epochs is not None:
        raise too_many_epochs(stage, mixture, corpus, (steps, allowed[corpus]))
    raise InputError(
        f"stages.{stage.name}",
        f"{steps} steps need more rows than corpus {corpus!r} "
        f"has left ({corpora[corpus].rows} rows, enough for {allowed[corpus]} steps)",
        "Give fewer tokens, more text, or at_end: repeat",
    )


def _check_supplied(stage: Stage, mixture: Mixture, supplied: Sequence[int], steps: int) -> None:
    """Raise InputError for a share that gives no row in the whole stage.

    Where replay is split by what was seen, its corpora need only give some rows together.
    """
    by_rule = isinstance(stage.replay, Fraction)
    replayed = sum(n for s, n in zip(mixture.sources, supplied, strict=True) if s.replay)
    for source, rows in zip(mixture.sources, supplied, strict=True):
        if (replayed if source.replay and by_rule else rows) == 0:
            share = share_of(mixture, source, steps)
            field_name = "replay" if source.replay else f"mixture.{source.corpus}"
            raise InputError(
                f"stages.{stage.name}.{field_name} {format_number(share)}",
                f"too small to give one row of {source.corpus!r} in {steps} steps",
                "Give a larger share or more steps, or leave it out",
            )
