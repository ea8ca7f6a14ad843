"""Claims about the max learning rate of the last stage (paper Table 12)."""

from __future__ import annotations

from collections.abc import Callable

from raycl.reproduction.claims.claim import Claim
from raycl.reproduction.claims.decide import Verdict, is_above
from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.evidence import Measure
from raycl.reproduction.evidence.experiment_names import HIGHEST, LOWEST, MIDDLE
from raycl.reproduction.evidence.measures import loss_new, lost_old
from raycl.reproduction.evidence.paired import Values, highest, lowest, minus
from raycl.reproduction.evidence.picks import constant_min, cosine_of, warm_constant
from raycl.reproduction.evidence.shifts import SHIFTS, Shift


def _cosine(evidence: Evidence, shift: Shift, place: int, measure: Measure) -> Values:
    return evidence.paired(shift.max_lr, measure, cosine_of(place))


def _higher_adapts(evidence: Evidence, shift: Shift) -> Verdict:
    low, high = (_cosine(evidence, shift, place, loss_new) for place in (LOWEST, HIGHEST))
    return is_above(minus(low, high), "loss on D1, lowest − highest max LR")


def _higher_forgets(evidence: Evidence, shift: Shift) -> Verdict:
    low, high = (_cosine(evidence, shift, place, lost_old) for place in (LOWEST, HIGHEST))
    return is_above(minus(high, low), "forgetting of D0, highest − lowest max LR")


def _rewarmed(evidence: Evidence, shift: Shift, measure: Measure) -> list[Values]:
    """All recipes that re-warm: the three cosines, and the warmed constant where it was run."""
    arms = [_cosine(evidence, shift, place, measure) for place in (LOWEST, MIDDLE, HIGHEST)]
    held = evidence.paired(shift.max_lr, measure, warm_constant())
    return [*arms, held] if held else arms


def _constant_forgets_least(evidence: Evidence, shift: Shift) -> Verdict:
    constant = evidence.paired(shift.max_lr, lost_old, constant_min())
    others = lowest(_rewarmed(evidence, shift, lost_old))
    return is_above(minus(others, constant), "forgetting of D0, least of the others − constant")


def _constant_adapts_worst(evidence: Evidence, shift: Shift) -> Verdict:
    constant = evidence.paired(shift.max_lr, loss_new, constant_min())
    others = highest(_rewarmed(evidence, shift, loss_new))
    return is_above(minus(constant, others), "loss on D1, constant − worst of the others")


_Judge = Callable[[Evidence, Shift], Verdict]


def _of_shift(judge: _Judge, shift: Shift) -> Callable[[Evidence], Verdict]:
    return lambda evidence: judge(evidence, shift)


_CLAIMED: tuple[tuple[str, str, _Judge], ...] = (
    ("higher-adapts", "a higher max learning rate adapts more", _higher_adapts),
    ("higher-forgets", "a higher max learning rate forgets more", _higher_forgets),
    (
        "constant-forgets-least",
        "staying at the min learning rate forgets least",
        _constant_forgets_least,
    ),
    (
        "constant-adapts-worst",
        "staying at the min learning rate adapts worst",
        _constant_adapts_worst,
    ),
)

MAX_LR_CLAIMS = tuple(
    Claim(
        f"{name}-{shift.name}",
        f"{shift.opening} {sentence}.",
        "Table 12",
        _of_shift(judge, shift),
    )
    for name, sentence, judge in _CLAIMED
    for shift in SHIFTS
)
