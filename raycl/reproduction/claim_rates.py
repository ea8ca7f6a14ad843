"""Claims about warm-up, max learning rate and re-warming (paper Fig. 3, Table 12, Fig. 8)."""

from __future__ import annotations

from collections.abc import Callable

from raycl.reproduction.claim import SHIFTS, Claim, Shift
from raycl.reproduction.decide import (
    NEARLY,
    Margin,
    Verdict,
    both,
    is_above,
    is_within,
)
from raycl.reproduction.evidence import Evidence, Measure, Values, highest, lowest, minus
from raycl.reproduction.measures import (
    gained_new,
    loss_new,
    loss_old,
    lost_old,
    opening_peak,
    peak_rise,
)
from raycl.reproduction.picks import (
    constant_min,
    cosine_of,
    warm_constant,
    warmup,
)

WARMUPS = (0.0, 0.005, 0.01, 0.02)
SAME = "e8-same-data"
LOWEST, MIDDLE, HIGHEST = 0, 1, -1


def _warmup_length(evidence: Evidence, shift: Shift) -> Verdict:
    """The range over the lengths, against what is at stake on that corpus in this stage."""

    def part(measure: Measure, effect: Measure, what: str, name: str) -> Verdict:
        arms = [evidence.paired(shift.warmup, measure, warmup(w)) for w in WARMUPS]
        stakes = evidence.paired(shift.warmup, effect, warmup(0.01))
        return is_within(minus(highest(arms), lowest(arms)), Margin(NEARLY, stakes, name), what)

    return both(
        [
            part(loss_old, lost_old, "range on D0", "the forgetting at 1 %"),
            part(loss_new, gained_new, "range on D1", "the adaptation at 1 %"),
        ]
    )


def _no_warmup_spikes(evidence: Evidence, shift: Shift) -> Verdict:
    none, usual = (evidence.paired(shift.warmup, opening_peak, warmup(w)) for w in (0.0, 0.01))
    return is_above(minus(none, usual), "highest training loss in the opening, 0 % − 1 %")


def _rate(evidence: Evidence, shift: Shift, place: int, measure: Measure) -> Values:
    return evidence.paired(shift.max_lr, measure, cosine_of(place))


def _higher_adapts(evidence: Evidence, shift: Shift) -> Verdict:
    low, high = (_rate(evidence, shift, place, loss_new) for place in (LOWEST, HIGHEST))
    return is_above(minus(low, high), "loss on D1, lowest − highest max LR")


def _higher_forgets(evidence: Evidence, shift: Shift) -> Verdict:
    low, high = (_rate(evidence, shift, place, lost_old) for place in (LOWEST, HIGHEST))
    return is_above(minus(high, low), "forgetting of D0, highest − lowest max LR")


def _rewarmed(evidence: Evidence, shift: Shift, measure: Measure) -> list[Values]:
    """All recipes that re-warm: the three cosines, and the warmed constant where it was run."""
    arms = [_rate(evidence, shift, place, measure) for place in (LOWEST, MIDDLE, HIGHEST)]
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


def _same_data_rises(evidence: Evidence) -> Verdict:
    """At the middle rate, which the paper's 3e-4 is, too."""
    rise = evidence.paired(SAME, peak_rise, cosine_of(MIDDLE))
    return is_above(rise, "peak rise on D0 at the middle max LR")


def _same_data_rises_more(evidence: Evidence) -> Verdict:
    low, high = (evidence.paired(SAME, peak_rise, cosine_of(p)) for p in (LOWEST, HIGHEST))
    return is_above(minus(high, low), "peak rise on D0, highest − lowest max LR")


_Judge = Callable[[Evidence, Shift], Verdict]


def _of(judge: _Judge, shift: Shift) -> Callable[[Evidence], Verdict]:
    return lambda evidence: judge(evidence, shift)


_BY_SHIFT: tuple[tuple[str, str, str, _Judge], ...] = (
    (
        "warm-up-length",
        "Fig. 3",
        "the length of the warm-up does not matter in the end",
        _warmup_length,
    ),
    (
        "no-warm-up-spike",
        "Fig. 3",
        "without a warm-up there is a transient spike",
        _no_warmup_spikes,
    ),
    ("higher-adapts", "Table 12", "a higher max learning rate adapts more", _higher_adapts),
    ("higher-forgets", "Table 12", "a higher max learning rate forgets more", _higher_forgets),
    (
        "constant-forgets-least",
        "Table 12",
        "staying at the min learning rate forgets least",
        _constant_forgets_least,
    ),
    (
        "constant-adapts-worst",
        "Table 12",
        "staying at the min learning rate adapts worst",
        _constant_adapts_worst,
    ),
)

RATE_CLAIMS = (
    *(
        Claim(
            f"{name}-{shift.name}",
            f"{shift.name.capitalize()} shift: {sentence}.",
            section,
            _of(judge, shift),
        )
        for name, section, sentence, judge in _BY_SHIFT
        for shift in SHIFTS
    ),
    Claim(
        "same-data-rises",
        "Re-warming alone raises the loss, on the very same data.",
        "Fig. 8",
        _same_data_rises,
    ),
    Claim(
        "same-data-rises-more",
        "On the same data a higher max learning rate raises it more.",
        "Fig. 8",
        _same_data_rises_more,
    ),
)
