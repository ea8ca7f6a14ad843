"""docs/reproduction.md: what was run, the verdicts, the tables beside the paper's, the figures."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from raycl.reproduction.claims.claim import Claim
from raycl.reproduction.claims.decide import FAILS, HOLDS, UNDECIDED, Verdict
from raycl.reproduction.claims.ledger import judge
from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.experiment_names import EXPERIMENTS
from raycl.reproduction.figures.all_figures import draw_all
from raycl.reproduction.tables.all_tables import all_tables
from raycl.reproduction.tables.table import markdown
from raycl.results.report.canvas import Drawing, png
from raycl.storage import Storage

_INTRODUCTION = """\
# The paper's experiments, at our size

Ibrahim et al., "Simple and Scalable Strategies to Continually Pre-train Large Language Models" \
(arXiv 2403.08763), run again with raycl on small models and real text. D0 is what the first stage \
trains on, D1 what the last one does. Losses are nats/token on held-out documents. Ours and the \
paper's differ in model, tokenizer, corpora and tokens: compare directions and proportions, not \
losses. This file is written by `raycl reproduce`; nothing in it is edited by hand.
"""

_AGAIN = """\
## Running it again

```
raycl reproduce --storage runs/paper --scale tiny
```

States that are already in the storage are used as they are, so a second run only writes this file.
"""

_RULES = """\
## How verdicts are decided

All claims share two rules, whose margins come from the paper's numbers or from what a word \
means, not from our results. Recipes are compared seed by seed: with the same seed, two of them \
share their initial weights, their data and every step up to where they first differ.

- **Direction** ("a is above b"): *holds* if the paired difference has the claimed sign in every \
one of three or more seeds and its mean is more than 2 standard errors from 0; *does not hold \
here* if all this is so with the other sign.
- **Margin** ("a reaches b"): *holds* if the mean difference is below the margin and the upper end \
of its 95 % interval (Student's t) below twice the margin; *does not hold here* if the whole \
interval lies above the margin. For "alike" it is the absolute difference. The margin is a share \
of an effect which must be clear by the rule of direction; `raycl/reproduction/claims/decide.py` \
gives the reason for each share.
- Everything else is *undecided*, and so is every claim with fewer than three seeds.

*Does not hold here* is about these models and tokens; it does not say that the paper is wrong. \
Claims are judged one by one, without a correction for their number, so a few verdicts may be \
chance. Numbers are nats/token, mean ± standard deviation over seeds.
"""

_NOT_POSSIBLE = """\
## What could not be run at this size

- **The paper's scale**: 405M and 10B parameters on 200 to 600 billion tokens. Our larger model \
only shows whether a claim survives a step in width.
- **Benchmarks** (Tables 3 and 5, and the accuracies of Table 6): models of this size answer them \
at chance level. Merging is therefore judged by loss.
- **The paper's corpora**: Pile, SlimPajama and German Common Crawl were not used; the shifts are \
alike in kind (another domain; another language), not in size.
- **Figures without numbers**: Fig. 3, 9 and 10 and App. A.1 are known to us as curves and words, \
so only their statements are judged.
"""


def write_document(evidence: Evidence, out: Path, figures: Path, facts: Mapping[str, str]) -> None:
    """Write the document to `out` and its pictures into `figures`.

    `facts` (machine, sizes, seeds, minutes …) are printed in their order. Everything is made
    before anything is written, and the document is written last, so a failure leaves an older
    document as it was. The same evidence gives the same bytes.
    """
    drawings = draw_all(evidence)
    pictures = {f"{drawing.name}.png": png(drawing.figure) for drawing in drawings}
    folder = os.path.relpath(figures.resolve(), out.resolve().parent).replace(os.sep, "/")
    text = render(evidence, drawings, folder, facts)
    images = Storage(figures)
    for name, picture in pictures.items():
        images.write_bytes(name, picture)
    Storage(out.resolve().parent).write_bytes(out.name, text.encode())


def render(
    evidence: Evidence, drawings: Sequence[Drawing], folder: str, facts: Mapping[str, str]
) -> str:
    """The document as Markdown; pictures are linked below `folder`."""
    judged = judge(evidence)
    parts = [
        _INTRODUCTION,
        _summary([verdict for _, verdict in judged]),
        _what_was_run(evidence, facts),
        _AGAIN,
        _RULES,
        _ledger(judged),
        "## Tables\n\nPaper: one seed. Ours: mean ± standard deviation over seeds.\n",
        *(markdown(table) for table in all_tables(evidence)),
        "## Figures\n" if drawings else "",
        *(_figure(drawing, folder) for drawing in drawings),
        _NOT_POSSIBLE,
    ]
    return "\n".join(part for part in parts if part)


def _summary(verdicts: Sequence[Verdict]) -> str:
    count = Counter(verdict.verdict for verdict in verdicts)
    return (
        f"**Of {len(verdicts)} claims {count[HOLDS]} hold, {count[FAILS]} do not hold here, "
        f"{count[UNDECIDED]} are undecided.**\n"
    )


def _cell(text: str) -> str:
    """The text without the characters that would end a table's cell."""
    return text.replace("|", "\\|").replace("\n", " ")


def _what_was_run(evidence: Evidence, facts: Mapping[str, str]) -> str:
    known = "".join(f"| {_cell(name)} | {_cell(fact)} |\n" for name, fact in facts.items())
    heading = (
        f"## What was run\n\n| | |\n| :-- | :-- |\n{known}\n" if facts else "## What was run\n\n"
    )
    lines = [_experiment_line(evidence, name, what) for name, what in EXPERIMENTS.items()]
    table = "| experiment | what | seeds | recipes finished |\n| :-- | :-- | :-- | --: |\n"
    return heading + table + "".join(lines)


def _experiment_line(evidence: Evidence, name: str, what: str) -> str:
    seeds = evidence.seeds(name)
    found = [outcome for seed in seeds for outcome in evidence.outcomes(name, seed)]
    done = sum(outcome.status == "finished" for outcome in found)
    ran = ", ".join(str(seed) for seed in seeds) or "not run"
    return f"| `{name}` | {what} | {ran} | {f'{done} of {len(found)}' if found else '–'} |\n"


def _ledger(judged: Sequence[tuple[Claim, Verdict]]) -> str:
    head = "## Claims\n\n| claim | paper | verdict | numbers | how |\n"
    head += "| :-- | :-- | :-- | :-- | :-- |\n"
    lines = []
    for claim, verdict in judged:
        said = verdict.verdict if verdict.how != "not run" else f"{verdict.verdict} (not run)"
        how = verdict.how if verdict.how != "not run" else "–"
        cells = (claim.sentence, claim.section, f"**{said}**", verdict.numbers, how)
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |\n")
    return head + "".join(lines)


def _figure(drawing: Drawing, folder: str) -> str:
    picture = f"![{drawing.title}]({folder}/{drawing.name}.png)"
    return f"### {drawing.title}\n\n{picture}\n\n{drawing.caption}\n"
