"""Every table of the document, in the order of the paper."""

from __future__ import annotations

from collections.abc import Callable

from raycl.reproduction import paper_numbers as paper
from raycl.reproduction.claim import SHIFTS, STRONG, Shift, baseline, percent
from raycl.reproduction.claim_rates import HIGHEST, LOWEST, MIDDLE, SAME, WARMUPS
from raycl.reproduction.claim_replay import HISTORY, SCALE, best_merged
from raycl.reproduction.claim_schedules import (
    CONSTANT,
    COSINE,
    DOMAIN_ARMS,
    DOMAINS,
    INFINITE,
    SINGLE,
    STAGES,
)
from raycl.reproduction.evidence import Corpora, Evidence, Measure, Pick, Values
from raycl.reproduction.gupta import gupta_table
from raycl.reproduction.measures import (
    average,
    average_all,
    hand_off_bump,
    loss_new,
    loss_old,
    lost_all,
    lost_old,
    peak_rise,
)
from raycl.reproduction.picks import (
    annealed,
    constant_min,
    cosine_of,
    labelled,
    of_kind,
    replay,
    warm_constant,
    warmup,
)
from raycl.reproduction.table import Row, Table, ours_text, own_table, paper_table
from raycl.results.report.palette import last_stage, loss_text, rate_text

BASELINE_NAMES = {"union": "union", "previous": "D0 only", "scratch": "D1 only, from scratch"}
RATES = {"lowest": LOWEST, "middle": MIDDLE, "highest": HIGHEST}


def rate_name(evidence: Evidence, experiment: str, place: str, whose: str = "ours ") -> str:
    """`middle max LR (ours 3e-3)`: the paper's three rates are other ones."""
    found = evidence.picked(experiment, cosine_of(RATES[place]))
    rates = {rate_text(last_stage(outcome).max_lr) for outcome in found.values()}
    return f"{place} max LR" + (f" ({whose}{', '.join(sorted(rates))})" if rates else "")


def _of(evidence: Evidence, experiment: str, pick: Pick) -> Callable[[Measure], Values]:
    return lambda measure: evidence.paired(experiment, measure, pick)


def _baseline(
    evidence: Evidence, shift: Shift, kind: str, corpora: Corpora | None = None
) -> Callable[[Measure], Values]:
    return lambda measure: baseline(evidence, shift, kind, measure, corpora)


def replay_table(evidence: Evidence, shift: Shift) -> Table:
    rows = [
        Row(f"replay {percent(share)}", _of(evidence, shift.replay, replay(share)), line)
        for share, line in paper.REPLAY[shift.name].items()
    ] + [
        Row(name, _baseline(evidence, shift, kind), paper.BASELINES[shift.name][kind])
        for kind, name in BASELINE_NAMES.items()
    ]
    note = "Final validation loss by replay share. Paper: 405M parameters, Pile 300B, then "
    note += "German 200B." if shift is STRONG else "SlimPajama 300B."
    return paper_table(f"Table 2, {shift.name} shift: replay", note, rows)


def max_lr_table(evidence: Evidence, shift: Shift) -> Table:
    lines = paper.MAX_LR[shift.name]
    corpora = evidence.corpora(shift.max_lr, shift.replay)
    held = _of(evidence, shift.max_lr, constant_min())
    warmed = _of(evidence, shift.max_lr, warm_constant())

    def rate_row(name: str, place: int) -> Row:
        cosine = _of(evidence, shift.max_lr, cosine_of(place))
        return Row(rate_name(evidence, shift.max_lr, name), cosine, lines[name])

    rows = [
        Row("constant at min LR", held, lines["constant"]),
        Row("warm-up, then constant", warmed),
        *(rate_row(name, place) for name, place in RATES.items()),
        Row(
            "union",
            _baseline(evidence, shift, "union", corpora),
            paper.BASELINES[shift.name]["union"],
        ),
    ]
    note = "No replay. Paper: constant at 3e-5; cosine to 1.5e-4, 3e-4, 6e-4; its losses of a "
    note += "warmed constant rate and its averages are not in our sources."
    return paper_table(f"Table 12, {shift.name} shift: max learning rate", note, rows)


def warmup_table(evidence: Evidence, shift: Shift) -> Table:
    rows = [
        Row(f"warm-up {percent(share)}", _of(evidence, shift.warmup, warmup(share)))
        for share in WARMUPS
    ]
    columns = {"D0": loss_old, "D1": loss_new, "AVG": average, "+forgetting": lost_old}
    note = "The paper shows curves and says that the four end alike."
    return own_table(f"Fig. 3, {shift.name} shift: length of the warm-up", note, columns, rows)


def scale_table(evidence: Evidence) -> Table:
    kinds = {"previous": "D0 only", "scratch": "D1 only, from scratch"}
    rows = [
        *(
            Row(name, _of(evidence, SCALE, of_kind(kind)), paper.SCALE[kind])
            for kind, name in kinds.items()
        ),
        Row("replay 0 %", _of(evidence, SCALE, replay(0.0)), paper.SCALE["replay 0"]),
        Row("replay 5 %", _of(evidence, SCALE, replay(0.05)), paper.SCALE["replay 5"]),
        Row("union", _of(evidence, SCALE, of_kind("union")), paper.SCALE["union"]),
    ]
    note = "The weak shift again. Paper: 10B parameters. Ours: the wider of our two models."
    return paper_table("Table 4: a larger model", note, rows)


def same_data_table(evidence: Evidence) -> Table:
    shift = SHIFTS[0]
    lines = []
    for name, place in RATES.items():
        line = [rate_name(evidence, SAME, name)]
        for number, experiment in enumerate((SAME, shift.max_lr)):
            printed = paper.SAME_DATA.get(name)
            ours = evidence.paired(experiment, peak_rise, cosine_of(place))
            line += [loss_text(printed[number], signed=True) if printed else "–"]
            line += [ours_text(ours, signed=True)]
        lines.append(tuple(line))
    columns = tuple(f"{data} {whose}" for data in ("D0 again", "D1") for whose in ("paper", "ours"))
    note = "Highest loss on D0 in the second stage minus the loss at its hand-off."
    return Table("Fig. 8: re-warming on the same data", note, ("run", *columns), tuple(lines))


def single_table(evidence: Evidence) -> Table:
    rows = [
        Row(label, _of(evidence, SINGLE, labelled(label)))
        for label in (COSINE, *INFINITE, CONSTANT)
    ]
    own = _of(evidence, SINGLE, annealed(CONSTANT))
    if own(average_all):
        rows.append(Row("constant, annealed", own))
    note = "The paper shows curves: infinite schedules end like the cosine."
    return own_table("Fig. 9: one run, four schedules", note, {"loss": average_all}, rows)


def stages_table(evidence: Evidence) -> Table:
    rows = [Row("repeated cosine", _of(evidence, STAGES, labelled(COSINE)))]
    for label in INFINITE:
        rows.append(Row(f"{label}, annealed", _of(evidence, STAGES, annealed(label))))
        rows.append(Row(f"{label}, trunk", _of(evidence, STAGES, labelled(label))))
    columns = {"loss": average_all, "+bump after a hand-off": hand_off_bump}
    note = "Loss after the third stage. Bump: rise of the loss on D0 in a stage's first quarter."
    return own_table("Fig. 10: three stages without a shift", note, columns, rows)


def domain_table(evidence: Evidence) -> Table:
    rows = [
        Row(f"{label}, replay {percent(share)}", _of(evidence, DOMAINS, labelled(label, share)))
        for label, share in DOMAIN_ARMS
    ]
    rows.append(Row("the same tokens mixed", _of(evidence, DOMAINS, of_kind("union"))))
    columns = {"mean loss": average_all, "+mean forgetting": lost_all}
    note = "Mean over all domains. The paper calls the results poor; its numbers we do not have."
    return own_table("App. A.1: one domain after another", note, columns, rows)


def history_table(evidence: Evidence) -> Table:
    rows = [
        Row(f"replay {percent(share)}", _of(evidence, HISTORY, replay(share)))
        for share in (0.0, 0.05)
    ]
    columns = {"mean loss": average_all, "+mean forgetting": lost_all}
    note = "Replay split over all that was seen. The authors published the configs, no results."
    return own_table("Four stages: replay by history", note, columns, rows)


def merging_table(evidence: Evidence) -> Table:
    lines = []
    for shift in SHIFTS:
        corpora = evidence.corpora(shift.replay, shift.merge)
        pick, advised = best_merged(corpora), replay(shift.advised)
        found = evidence.paired(shift.merge, average, pick, corpora)
        replayed = evidence.paired(shift.replay, average, advised)
        own = evidence.paired(shift.merge, average, advised, corpora)
        accuracy = [f"{value:.2f} %" for value in paper.MERGING[shift.name]]
        lines += [
            (f"{shift.name}: best merged model", accuracy[0], ours_text(found)),
            (
                f"{shift.name}: replay {percent(shift.advised)}",
                accuracy[1],
                ours_text({**replayed, **own}),
            ),
        ]
    note = "The paper gives mean accuracies (more is better), ours are losses (less is better)."
    columns = ("run", "accuracy paper", "AVG loss ours")
    return Table("Table 6: merging instead of replay", note, columns, tuple(lines))


def all_tables(evidence: Evidence) -> list[Table]:
    """Every table; `–` where something was not run."""
    return [
        *(replay_table(evidence, shift) for shift in SHIFTS),
        *(warmup_table(evidence, shift) for shift in SHIFTS),
        *(max_lr_table(evidence, shift) for shift in SHIFTS),
        scale_table(evidence),
        same_data_table(evidence),
        single_table(evidence),
        stages_table(evidence),
        domain_table(evidence),
        history_table(evidence),
        merging_table(evidence),
        gupta_table(evidence),
    ]
