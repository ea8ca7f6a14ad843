"""What one recipe of a sweep did: its stages, its history and the validation losses in it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import pandas as pd

from raycl.recipe.schema.search import Objective
from raycl.results.uncertainty.bootstrap import DocumentSums
from raycl.units import Length

VALIDATION = "validation/"
ROWS = "rows/"
INCOMPLETE = "incomplete"
"""The status of a recipe whose end is there, but not every state whose history leads to it."""
STOPPED = "stopped"
"""The status of a recipe that a search has stopped early; it can go on from where it is."""
MERGED = "merged"
"""The kind of an outcome that was not trained but merged."""
BASELINES = ("previous", "union", "scratch", "alone")


@dataclass(frozen=True)
class StageFact:
    """One stage of a recipe: steps [first_step, last_step), and what was new in it."""

    name: str
    first_step: int
    last_step: int
    tokens: int
    new: tuple[str, ...]
    replay_share: float = 0.0
    max_lr: float | None = None
    schedule: str = ""
    """The kind of its schedule; `anneal` where the recipe is a branch that leaves the stage."""
    shares: tuple[float, ...] = ()
    """The share of each corpus of `new` in the new data; empty: equal ones."""
    replayed: tuple[str, ...] = ()
    """The corpora of its replay."""
    trains: str = "all"
    """What it trains, for people."""
    loss_weights: str = ""
    """How much tokens of corpora count in its loss, for people; empty where all count alike."""

    @property
    def mixture(self) -> dict[str, float]:
        """Each new corpus' share of the new data, replay left out; they sum to 1."""
        shares = self.shares or (1 / max(len(self.new), 1),) * len(self.new)
        return dict(zip(self.new, shares, strict=True))


@dataclass(frozen=True)
class BranchFact:
    """The place at which an annealed branch leaves the recipe from which it was made."""

    trunk: str
    """Label of that recipe."""
    stage: str
    """Name of the stage that the branch leaves."""
    at: Length
    """The part of the stage that is done when the branch leaves it."""
    steps: int = 0
    """Steps of the anneal, which its trunk does not have."""

    @property
    def leaves_at_end(self) -> bool:
        """Whether the stage was through, so that the branch anneals all of it."""
        return self.at == Length(Fraction(1), "fraction")


@dataclass(frozen=True)
class RecipeOutcome:
    """The outcome of one recipe of a sweep, which may not be finished.

    `kind` is "sweep" (a recipe of the sweep), "anneal" (a branch off such a recipe's trunk),
    "merged" (the end of one of these merged with another model, or the best merge of a search) or a
    baseline: "previous", "union", "scratch", "alone" (one corpus of the last stage, for a merge
    search). `history` holds the whole recipe, one line per step;
    the validation after s steps stands in the line step = s - 1. `starts_trained` says that the
    weights were pre-trained before the recipe, so that a corpus which is never new here can still
    be forgotten. Losses at the end of a stage are averaged over its last `final_steps` steps.
    All losses of `history` on a corpus were measured on the same rows.
    """

    label: str
    kind: str
    fields: Mapping[str, object]
    stages: tuple[StageFact, ...]
    history: pd.DataFrame
    tokens_per_step: int
    bytes_per_token: Mapping[str, float] = field(default_factory=dict)
    state: str = ""
    status: str = "finished"
    starts_trained: bool = False
    final_steps: int = 1
    tasks: Mapping[str, float] = field(default_factory=dict)
    """Main score by task of lm-evaluation-harness, of the state at the recipe's end."""
    branch: BranchFact | None = None
    """Given where `kind` is "anneal", or it was merged from such a branch, and nowhere else."""
    merged_from: str = ""
    """Label of the trained recipe whose end was merged; empty for a trained one."""
    arm: str = ""
    """The `label` of the recipe's grid in the recipe file; empty where it has none."""
    measured: Mapping[str, float] = field(default_factory=dict)
    """Final losses (nats/token) by corpus that were measured after the training, on more rows."""
    validation_rows: Mapping[str, int] = field(default_factory=dict)
    """By corpus, the validation rows of the final loss; without those that are not known."""
    last_alone: frozenset[str] = frozenset()
    """Corpora whose losses at the end of a stage are the last one alone, whatever `final_steps`."""
    knows: Mapping[str, int | None] = field(default_factory=dict)
    """Corpora that stand in for what the start was trained on, and the tokens that it saw of each;
    None where they are not known."""
    corpus_rows: Mapping[str, int] = field(default_factory=dict)
    """Training rows that each corpus has."""
    objective: Objective | None = None
    """What the sweep's search compares its recipes by; None where the sweep is no search."""
    notes: tuple[str, ...] = ()
    """Sentences on what is missing from the numbers of this recipe, and how to get it."""
    setting: str = ""
    """The label without its seed: recipes of one setting differ in their seed alone. Empty where
    the recipe file has no `seeds`; the setting is then the label."""
    seed: int = 0
    """Which of the `seeds` of the recipe file this is, counted from 0."""
    sequence_length: int = 0
    """Tokens of a row; 0 where it is not known."""
    row_losses: Mapping[str, DocumentSums] = field(default_factory=dict)
    """By corpus, what the final loss is made of; without corpora of which nothing is stored."""

    @property
    def steps(self) -> int:
        """Optimizer steps done so far."""
        return int(self.history["step"].max()) + 1 if len(self.history) else 0

    @property
    def is_baseline(self) -> bool:
        """Whether recipes are measured against it; a baseline neither forgets nor adapts."""
        return self.kind in BASELINES

    @cached_property
    def curves(self) -> dict[str, pd.Series[float]]:
        """Each corpus' validation losses, indexed by the number of steps done before them."""
        columns = [name for name in self.history.columns if name.startswith(VALIDATION)]
        return {name.removeprefix(VALIDATION): self._curve(name) for name in columns}

    def _curve(self, column: str) -> pd.Series[float]:
        measured = self.history[["step", column]].dropna().astype({"step": int})
        curve = pd.Series(measured[column].to_numpy(float), index=measured["step"].to_numpy() + 1)
        return curve[~curve.index.duplicated(keep="last")].sort_index()


def corpora_of(outcomes: Sequence[RecipeOutcome]) -> list[str]:
    """Every corpus with a validation loss, in the order in which the recipes learn them."""
    measured = {corpus for outcome in outcomes for corpus in outcome.curves}
    # The longest chain tells the order: a union baseline, for example, learns all at once.
    chains = sorted(outcomes, key=lambda outcome: -len(outcome.stages))
    learned = [name for outcome in chains for name in outcome.knows]
    learned += [name for outcome in chains for stage in outcome.stages for name in stage.new]
    ordered = [name for name in dict.fromkeys(learned) if name in measured]
    return ordered + sorted(measured.difference(ordered))


def learned_corpora(outcome: RecipeOutcome) -> set[str]:
    """The corpora that some stage trains on, as new data or as replay, or that the start knows."""
    trained = {corpus for stage in outcome.stages for corpus in (*stage.new, *stage.replayed)}
    return trained.union(outcome.knows)


def new_in(outcome: RecipeOutcome, stage: StageFact) -> dict[str, float]:
    """Each corpus that is new in the stage, and its share of what is new; they sum to 1.

    A stand-in for what the start knows is old even in a mixture, unless the mixture has nothing
    else.
    """
    fresh = {c: share for c, share in stage.mixture.items() if c not in outcome.knows}
    if len(fresh) in (0, len(stage.mixture)):
        return stage.mixture
    total = sum(fresh.values())
    return {corpus: share / total for corpus, share in fresh.items()}


def validation_curve(outcome: RecipeOutcome, corpus: str) -> pd.Series[float]:
    """Validation loss (nats/token) of the corpus, indexed by the steps done; may be empty."""
    return outcome.curves.get(corpus, pd.Series(dtype="float64"))


def loss_after(outcome: RecipeOutcome, corpus: str, steps: int) -> float:
    """Validation loss (nats/token) after exactly `steps` steps; NaN where it was not measured."""
    return float(validation_curve(outcome, corpus).get(steps, math.nan))
