"""Claims about infinite schedules and training domain by domain (paper Fig. 9, 10, App. A.1)."""

from __future__ import annotations

from dataclasses import replace

from raycl.reproduction.claim import Claim
from raycl.reproduction.decide import (
    NEARLY,
    NOT_RUN,
    Margin,
    Verdict,
    absolute,
    both,
    difference_text,
    is_above,
    is_within,
)
from raycl.reproduction.evidence import Evidence, Pick, Values, highest, lowest, mean_of, minus
from raycl.reproduction.measures import average_all, hand_off_bump
from raycl.reproduction.picks import annealed, labelled, of_kind

SINGLE = "e9-infinite-single"
STAGES = "e10-infinite-stages"
DOMAINS = "e11-domain-incremental"
COSINE, CONSTANT = "cosine", "constant"
INFINITE = ("infinite cosine", "infinite inverse-sqrt")
DOMAIN_ARMS = tuple((label, share) for label in (COSINE, INFINITE[1]) for share in (0.0, 0.05))


def _loss(evidence: Evidence, experiment: str, pick: Pick) -> Values:
    return evidence.paired(experiment, average_all, pick)


def _match(differences: list[Values], margin: Margin, what: str) -> Verdict:
    """The infinite schedule that is further from the cosine decides; both are told with signs."""
    verdict = is_within(highest([absolute(values) for values in differences]), margin, f"|{what}|")
    if verdict == NOT_RUN:
        return verdict
    signed = "; ".join(
        f"{label} − cosine: {difference_text(values)}"
        for label, values in zip(INFINITE, differences, strict=True)
    )
    return replace(verdict, numbers=f"{verdict.numbers}; {signed}")


def _single_matches(evidence: Evidence) -> Verdict:
    """Measured by what the cosine gains over never lowering the rate."""
    cosine = _loss(evidence, SINGLE, labelled(COSINE))
    gain = minus(_loss(evidence, SINGLE, labelled(CONSTANT)), cosine)
    apart = [minus(_loss(evidence, SINGLE, labelled(label)), cosine) for label in INFINITE]
    return _match(apart, Margin(NEARLY, gain, "constant − cosine"), "infinite − cosine")


def _trunks(evidence: Evidence) -> list[Values]:
    return [_loss(evidence, STAGES, labelled(label)) for label in INFINITE]


def _branches(evidence: Evidence) -> list[Values]:
    return [_loss(evidence, STAGES, annealed(label)) for label in INFINITE]


def _stages_match(evidence: Evidence) -> Verdict:
    """Measured by what the last anneal is worth."""
    cosine = _loss(evidence, STAGES, labelled(COSINE))
    apart = [minus(branch, cosine) for branch in _branches(evidence)]
    worth = minus(mean_of(_trunks(evidence)), mean_of(_branches(evidence)))
    return _match(
        apart, Margin(NEARLY, worth, "what the anneal is worth"), "annealed infinite − cosine"
    )


def _constant_worse(evidence: Evidence) -> Verdict:
    """A constant rate ends above the cosine, and an anneal takes the excess of a plateau away."""
    cosine = _loss(evidence, SINGLE, labelled(COSINE))
    excess = minus(_loss(evidence, SINGLE, labelled(CONSTANT)), cosine)
    own = _loss(evidence, SINGLE, annealed(CONSTANT))
    if own:
        worth = minus(_loss(evidence, SINGLE, labelled(CONSTANT)), own)
    else:
        worth = minus(mean_of(_trunks(evidence)), mean_of(_branches(evidence)))
    return both([is_above(excess, "constant − cosine"), is_above(worth, "plateau − annealed")])


def _hand_off(evidence: Evidence) -> Verdict:
    cosine = evidence.paired(STAGES, hand_off_bump, labelled(COSINE))
    flat = [evidence.paired(STAGES, hand_off_bump, labelled(label)) for label in INFINITE]
    margin = Margin(NEARLY, cosine, "the bump of re-warming")
    return both(
        [
            is_above(cosine, "bump on D0 after re-warming"),
            is_within(highest(flat), margin, "bump on D0 at a constant rate"),
        ]
    )


def _domains_poor(evidence: Evidence) -> Verdict:
    """The best way to train domain by domain against the same tokens mixed."""
    arms = [_loss(evidence, DOMAINS, labelled(label, share)) for label, share in DOMAIN_ARMS]
    mixed = evidence.paired(DOMAINS, average_all, of_kind("union"))
    best = lowest([arm for arm in arms if arm])
    return is_above(minus(best, mixed), "mean loss, best of domain by domain − mixed")


SCHEDULE_CLAIMS = (
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
    Claim(
        "domain-incremental-poor",
        "Training domain by domain is poor against the mixed run.",
        "App. A.1",
        _domains_poor,
    ),
)
