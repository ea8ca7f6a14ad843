"""Claims about infinite schedules, in one stage and in three (paper Fig. 9 and 10)."""

from __future__ import annotations

from dataclasses import replace

from raycl.reproduction.claims.claim import Claim
from raycl.reproduction.claims.decide import (
    NEARLY,
    NOT_RUN,
    Margin,
    Verdict,
    both,
    is_above,
    is_within,
)
from raycl.reproduction.claims.spread import difference_text
from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.evidence import Pick
from raycl.reproduction.evidence.experiment_names import (
    CONSTANT,
    COSINE,
    INFINITE,
    SINGLE,
    STAGES,
)
from raycl.reproduction.evidence.measures import average_all, hand_off_bump
from raycl.reproduction.evidence.paired import Values, absolute, highest, mean_of, minus
from raycl.reproduction.evidence.picks import annealed, in_arm


def _loss(evidence: Evidence, experiment: str, pick: Pick) -> Values:
    return evidence.paired(experiment, average_all, pick)


def _match(differences: list[Values], margin: Margin, what: str) -> Verdict:
    """Whether both infinite schedules are near to the cosine.

    The one that is further from it decides; the numbers show both with their signs.
    """
    verdict = is_within(highest([absolute(values) for values in differences]), margin, f"|{what}|")
    if verdict == NOT_RUN:
        return verdict
    signed = "; ".join(
        f"{arm} − cosine: {difference_text(values)}"
        for arm, values in zip(INFINITE, differences, strict=True)
    )
    return replace(verdict, numbers=f"{verdict.numbers}; {signed}")


def _single_matches(evidence: Evidence) -> Verdict:
    """Measured by what the cosine gains over never lowering the rate."""
    cosine = _loss(evidence, SINGLE, in_arm(COSINE))
    gain = minus(_loss(evidence, SINGLE, in_arm(CONSTANT)), cosine)
    apart = [minus(_loss(evidence, SINGLE, in_arm(arm)), cosine) for arm in INFINITE]
    return _match(apart, Margin(NEARLY, gain, "constant − cosine"), "infinite − cosine")


def _trunks(evidence: Evidence) -> list[Values]:
    return [_loss(evidence, STAGES, in_arm(arm)) for arm in INFINITE]


def _branches(evidence: Evidence) -> list[Values]:
    return [_loss(evidence, STAGES, annealed(arm)) for arm in INFINITE]


def _stages_match(evidence: Evidence) -> Verdict:
    """Measured by what the last anneal is worth."""
    cosine = _loss(evidence, STAGES, in_arm(COSINE))
    apart = [minus(branch, cosine) for branch in _branches(evidence)]
    worth = minus(mean_of(_trunks(evidence)), mean_of(_branches(evidence)))
    return _match(
        apart, Margin(NEARLY, worth, "what the anneal is worth"), "annealed infinite − cosine"
    )


def _constant_worse(evidence: Evidence) -> Verdict:
    """A constant rate ends above the cosine, and an anneal takes the excess of a plateau away."""
    cosine = _loss(evidence, SINGLE, in_arm(COSINE))
    excess = minus(_loss(evidence, SINGLE, in_arm(CONSTANT)), cosine)
    own = _loss(evidence, SINGLE, annealed(CONSTANT))
    if own:
        worth = minus(_loss(evidence, SINGLE, in_arm(CONSTANT)), own)
    else:
        worth = minus(mean_of(_trunks(evidence)), mean_of(_branches(evidence)))
    return both([is_above(excess, "constant − cosine"), is_above(worth, "plateau − annealed")])


def _hand_off(evidence: Evidence) -> Verdict:
    cosine = evidence.paired(STAGES, hand_off_bump, in_arm(COSINE))
    flat = [evidence.paired(STAGES, hand_off_bump, in_arm(arm)) for arm in INFINITE]
    margin = Margin(NEARLY, cosine, "the bump of re-warming")
    return both(
        [
            is_above(cosine, "bump on D0 after re-warming"),
            is_within(highest(flat), margin, "bump on D0 at a constant rate"),
        ]
    )


INFINITE_CLAIMS = (
    Claim(
        "infinite-matches-single",
        "In a single run infinite schedules match the cosine.",
        "Fig. 9",
        _single_matches,
    ),
    Claim(
        "infinite-matches-stages",
        "Over three stages infinite schedules match repeated cosines after the last anneal.",
        "Fig. 10",
        _stages_match,
    ),
    Claim(
        "constant-worse",
        "A constant rate is worse than the cosine until it is annealed.",
        "Fig. 9",
        _constant_worse,
    ),
    Claim(
        "hand-off-flat",
        "A hand-off at a constant rate does not spike, while re-warming does.",
        "Fig. 10",
        _hand_off,
    ),
)
