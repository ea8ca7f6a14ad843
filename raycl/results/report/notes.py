"""What must be known to read a sweep's numbers: sentences below its table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from raycl.data.few_held_out import FEWEST
from raycl.results.metrics.effort import epochs
from raycl.results.metrics.sides import Weights, differ, sides_of
from raycl.results.outcome import RecipeOutcome, corpora_of, learned_corpora
from raycl.results.report.number_text import share_text
from raycl.results.report.over_seeds import seeds_notes
from raycl.results.search_results import objective_of, search_sentence
from raycl.results.table import results_table
from raycl.results.uncertainty.bootstrap import difference_error, standard_error


def notes(outcomes: Sequence[RecipeOutcome]) -> list[str]:
    """What the averages are over, on which rows losses are, and what is missing."""
    found = [_of_stand_ins(outcomes), _of_union(outcomes), _of_average(outcomes)]
    found += [_of_apart(outcomes), _of_tokens(outcomes), _of_rows(outcomes)]
    found += [_of_errors(outcomes), _of_epochs(outcomes)]
    found += _of_parts(outcomes)
    found += _of_loss_weights(outcomes)
    found.append(_of_search(outcomes))
    found += _of_seeds(outcomes)
    found += [note for outcome in outcomes for note in outcome.notes]
    return list(dict.fromkeys(note for note in found if note))


def _of_search(outcomes: Sequence[RecipeOutcome]) -> str:
    """What a search has found by its own objective."""
    objective = objective_of(outcomes)
    return "" if objective is None else search_sentence(results_table(outcomes), objective)


def _of_seeds(outcomes: Sequence[RecipeOutcome]) -> list[str]:
    """Which settings the seeds of a sweep cannot tell from the best one."""
    seeded = any(outcome.setting for outcome in outcomes) and not differ(outcomes)
    return seeds_notes(results_table(outcomes)) if seeded else []


def _of_stand_ins(outcomes: Sequence[RecipeOutcome]) -> str:
    """That losses on a stand-in are not those on what the model was trained on."""
    recipes = [outcome.knows for outcome in outcomes if not outcome.is_baseline]
    names = list(dict.fromkeys(corpus for knows in recipes for corpus in knows))
    if not names:
        return ""
    verb, it = ("stands in", "it") if len(names) == 1 else ("stand in", "them")
    return (
        f"{' and '.join(names)} {verb} for what the model was trained on before: forgetting is "
        f"measured on {it}, from the model as it came. The model may have lost more, or less, of "
        "what it really read."
    )


def _of_union(outcomes: Sequence[RecipeOutcome]) -> str:
    """What the union of a model is that was trained before."""
    unions = [outcome for outcome in outcomes if outcome.kind == "union" and outcome.knows]
    if not unions:
        return ""
    return (
        f"{unions[0].label}: the model continued on half stand-ins and half new data at once, not "
        "a model from scratch."
    )


def _of_average(outcomes: Sequence[RecipeOutcome]) -> str:
    if differ(outcomes):
        return (
            "The recipes differ in what they learn, so their averages do not compare with each "
            "other: each has its gap to the union, measured on what the recipe learns."
        )
    recipes = [sides for sides in sides_of(outcomes) if sides]
    if not recipes or max(len(recipes[0].old), len(recipes[0].new)) < 2:
        return ""  # two corpora and their plain mean
    old, new = (_side_text(side) for side in (recipes[0].old, recipes[0].new))
    if not recipes[0].old:
        return f"AVG: the mean of {new}."
    return f"AVG: the mean of what was learned before ({old}) and what is new ({new})."


def _side_text(side: Weights) -> str:
    if len(side) == 1:
        return next(iter(side))
    return ", ".join(f"{corpus} {share_text(share)}" for corpus, share in side.items())


def _of_apart(outcomes: Sequence[RecipeOutcome]) -> str:
    trained = {corpus for outcome in outcomes for corpus in learned_corpora(outcome)}
    apart = [corpus for corpus in corpora_of(outcomes) if corpus not in trained]
    if not apart:
        return ""
    return f"In no average, because no stage trains on it: {', '.join(apart)}."


def _of_parts(outcomes: Sequence[RecipeOutcome]) -> list[str]:
    """Which stages train a part of the weights, in recipes whose label does not say so."""
    recipes: dict[str, list[str]] = {}
    for outcome in outcomes:
        for stage in outcome.stages:
            what = f"trains {stage.trains}"
            if stage.trains != "all" and what not in outcome.label:
                recipes.setdefault(f"{stage.name} {what}", []).append(outcome.label)
    return [f"{what}: {'; '.join(labels)}." for what, labels in recipes.items()]


def _of_loss_weights(outcomes: Sequence[RecipeOutcome]) -> list[str]:
    """In which recipes tokens count differently while they are learned; losses here do not."""
    recipes: dict[str, list[str]] = {}
    for outcome in outcomes:
        for stage in outcome.stages:
            if stage.loss_weights:
                what = f"{stage.name}: {stage.loss_weights}"
                recipes.setdefault(what, []).append(outcome.label)
    return [
        f"{what} while it learns (validation losses have no weights): {'; '.join(labels)}."
        for what, labels in recipes.items()
    ]


def _of_tokens(outcomes: Sequence[RecipeOutcome]) -> str:
    """Which recipes have more tokens than every union, so that their gap is flattered."""
    lengths = {o.label: o.stages[-1].last_step * o.tokens_per_step for o in outcomes if o.stages}
    unions = [lengths.get(outcome.label, 0) for outcome in outcomes if outcome.kind == "union"]
    if not unions:
        return ""
    more = {
        outcome.label: lengths.get(outcome.label, 0) / max(unions) - 1
        for outcome in outcomes
        if not outcome.is_baseline and lengths.get(outcome.label, 0) > max(unions) > 0
    }
    if not more:
        return ""
    return (
        "More tokens than the union that they are compared with, by up to "
        f"{share_text(max(more.values()))}: {'; '.join(more)}."
    )


def _of_epochs(outcomes: Sequence[RecipeOutcome]) -> str:
    """Which corpora were read more than once, and how often."""
    texts = []
    for corpus in dict.fromkeys(name for outcome in outcomes for name in outcome.corpus_rows):
        read = sorted(times for o in outcomes if (times := epochs(o, corpus)) > 1)
        if read:
            low, high = f"{read[0]:.3g}", f"{read[-1]:.3g}"
            texts.append(f"{corpus} {low if low == high else f'{low} to {high}'} times")
    return f"Read more than once, replay included: {'; '.join(texts)}." if texts else ""


def _of_rows(outcomes: Sequence[RecipeOutcome]) -> str:
    tighter: Mapping[str, int] = next(
        ({c: o.validation_rows[c] for c in o.measured} for o in outcomes if o.measured), {}
    )
    if not tighter:
        return ""
    rows = ", ".join(f"{count:,} of {corpus}" for corpus, count in tighter.items())
    return (
        f"Final losses are on the validation rows that `raycl evaluate` measured ({rows}); "
        "forgetting, adaptation, spikes, tokens to the union and figures over tokens are on those "
        "of the training."
    )


def _of_errors(outcomes: Sequence[RecipeOutcome]) -> str:
    """How sure losses and their differences are, by the documents that they were measured on."""
    recipes = [outcome for outcome in outcomes if outcome.row_losses]
    if not recipes:
        return ""
    first = recipes[0]
    texts = [_error_text(first, corpus, recipes) for corpus in first.row_losses]
    few = [c for c, sums in first.row_losses.items() if len(sums) < FEWEST]
    careful = (
        f" Fewer than {FEWEST} documents ({', '.join(few)}) say little: hold out more."
        if few
        else ""
    )
    known = [text for text in texts if text]
    return f"Standard errors over documents: {'; '.join(known)}.{careful}" if known else ""


def _error_text(one: RecipeOutcome, corpus: str, recipes: Sequence[RecipeOutcome]) -> str:
    """The error of a loss, and the median one of a difference to it (nats/token)."""
    sums = one.row_losses[corpus]
    error = standard_error(sums)
    if math.isnan(error):
        return ""
    text = f"{corpus} ± {error:.3f} on {len(sums):,} documents"
    own = [o for o in recipes if o is not one and o.seed == one.seed]
    others = [o.row_losses[corpus] for o in own if corpus in o.row_losses]
    paired = [other for other in others if np.array_equal(other.tokens, sums.tokens)]
    if not paired:
        return text
    gap = float(np.median([difference_error(sums, other) for other in paired]))
    return f"{text}, ± {gap:.3f} of a difference between two recipes"
