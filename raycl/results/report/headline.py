"""One or two sentences that say what the sweep found, made from its numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from raycl.results.mean_outcomes import mean_outcomes
from raycl.results.metrics import adaptation, final_loss, forgetting
from raycl.results.outcome import (
    BASELINES,
    RecipeOutcome,
    corpora_of,
    learned_corpora,
    new_in,
)
from raycl.results.report.groups import last_stage, rate_groups, replay_groups
from raycl.results.report.number_text import loss_text, rate_text, share_text
from raycl.results.report.over_seeds import best_sentence
from raycl.results.report.table import averages_are_alike
from raycl.results.settings import has_seeds


def _known(values: dict[str, float]) -> dict[str, float]:
    return {corpus: value for corpus, value in values.items() if not math.isnan(value)}


def _total(outcome: RecipeOutcome, corpora: Sequence[str]) -> float:
    return sum(forgetting(outcome, corpus) for corpus in corpora)


def _forgotten(group: Sequence[RecipeOutcome]) -> list[str]:
    """The corpora that the group's first recipe can forget: those in the average, if any is."""
    bare = group[0]
    old = list(_known({corpus: forgetting(bare, corpus) for corpus in corpora_of([bare])}))
    trained = {corpus for outcome in group for corpus in learned_corpora(outcome)}
    return [corpus for corpus in old if corpus in trained] or old


def _replay_sentence(outcomes: Sequence[RecipeOutcome]) -> str:
    """A sentence on the smallest replay share that removes at least half of the forgetting.

    Where no share removes as much, the sentence is about the share with the least forgetting.
    """
    for group in replay_groups(outcomes):
        bare = group[0]
        old = _forgotten(group)
        if not old or last_stage(bare).replay_share > 0 or _total(bare, old) <= 0:
            continue
        with_replay = [o for o in group[1:] if not math.isnan(_total(o, old))]
        if not with_replay:
            continue
        enough = [o for o in with_replay if _total(o, old) <= _total(bare, old) / 2]
        chosen = enough[0] if enough else min(with_replay, key=lambda o: _total(o, old))
        verb = "cuts" if _total(chosen, old) < _total(bare, old) else "moves"
        changes = " and ".join(
            f"of {corpus} from {loss_text(forgetting(bare, corpus), signed=True)}"
            f" to {loss_text(forgetting(chosen, corpus), signed=True)}"
            for corpus in old
        )
        share = share_text(last_stage(chosen).replay_share)
        return f"Replay of {share} {verb} forgetting {changes} nats/token{_cost(bare, chosen)}."
    return ""


def _cost(bare: RecipeOutcome, chosen: RecipeOutcome) -> str:
    new = new_in(chosen, last_stage(chosen))
    costs = _known({c: final_loss(chosen, c) - final_loss(bare, c) for c in new})
    if not costs:
        return ""
    lower = {corpus: -cost for corpus, cost in costs.items() if round(cost, 2) < 0}
    higher = [f"{loss_text(x, signed=True)} on {c}" for c, x in costs.items() if c not in lower]
    said = f", at a cost of {' and '.join(higher)}" if higher else ""
    gained = " and ".join(f"of {c} by {loss_text(gain)}" for c, gain in lower.items())
    return f"{said}, and lowers the loss {gained}" if lower else said


def _rate_sentence(outcomes: Sequence[RecipeOutcome]) -> str:
    """A sentence that compares the highest and the lowest max learning rate at one replay share."""
    groups = rate_groups(outcomes)
    if not groups:
        return ""
    low, high = groups[0][0], groups[0][-1]
    corpora = corpora_of([low])
    parts = []
    for word, measure in (("forgetting", forgetting), ("adaptation", adaptation)):
        for corpus in corpora:
            before, after = measure(low, corpus), measure(high, corpus)
            if not math.isnan(before + after):
                change = f"{loss_text(before, signed=True)} to {loss_text(after, signed=True)}"
                parts.append(f"{word} of {corpus} from {change}")
    rates = f"from {rate_text(last_stage(low).max_lr)} to {rate_text(last_stage(high).max_lr)}"
    if not parts:
        return ""
    return f"Raising the max learning rate {rates} moves {' and '.join(parts)} nats/token."


def _best_sentence(table: pd.DataFrame) -> str:
    if table.empty or not averages_are_alike(table):
        return ""
    if has_seeds(table):
        return best_sentence(table)
    finished = table[~table["kind"].isin(BASELINES) & table["average"].notna()]
    finished = finished.sort_values("average", kind="stable")
    if finished.empty:
        return ""
    best = finished.iloc[0]
    gap = float(best["gap_to_union"])
    sentence = f"Best average: {best['recipe']} ({loss_text(float(best['average']))})"
    if math.isnan(gap):
        return sentence + "."
    if round(gap, 2) == 0:
        return sentence + ", level with the union baseline."
    where = "above" if gap > 0 else "below"
    return f"{sentence}, {loss_text(abs(gap))} {where} the union baseline."


def headline(outcomes: Sequence[RecipeOutcome], table: pd.DataFrame) -> str:
    """The findings of a sweep in a few sentences, and how many recipes are missing.

    `table` is the `results_table` of the outcomes.
    """
    means = mean_outcomes(outcomes)
    found = _replay_sentence(means) or _rate_sentence(means)
    sentences = [found, _best_sentence(table)]
    done = sum(outcome.status == "finished" for outcome in outcomes)
    if done < len(outcomes):
        sentences.append(f"{done} of {len(outcomes)} recipes have finished.")
    return " ".join(sentence for sentence in sentences if sentence)
