"""How often a stage may read a corpus, and how often it does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from raycl.errors import InputError
from raycl.plan.chain import Chain
from raycl.plan.mixture import Mixture
from raycl.recipe.mixtures import named_corpora
from raycl.recipe.schema import Stage

_FEW = "up to about 4 epochs little is lost (Muennighoff et al. 2023)"


def check_named(stage: Stage) -> None:
    """Raise InputError where `max_epochs` names a corpus that the stage does not read as new."""
    known = named_corpora(stage)
    for corpus in stage.max_epochs if isinstance(stage.max_epochs, Mapping) else ():
        if corpus not in known:
            raise InputError(
                f"stages.{stage.name}.max_epochs.{corpus}",
                "the stage does not read it as new data",
                f"Its new data: {', '.join(known)}",
            )


def end_position(stage: Stage, corpus: str, rows: int) -> int | None:
    """The position at which a corpus ends by the stage's `max_epochs`; None: by `at_end` alone."""
    most = stage.max_epochs
    if isinstance(most, Mapping):
        most = most.get(corpus)
    return None if most is None else int(most * rows)


def too_many_epochs(
    stage: Stage, mixture: Mixture, corpus: str, steps: tuple[int, int]
) -> InputError:
    """The error of a stage that reads a corpus more often than its `max_epochs` allow.

    `steps` are those that are wanted, and those that are allowed.
    """
    wanted, allowed = steps
    supplied = mixture.supplied(np.array([wanted]))[:, 0].tolist()
    read, source = next(
        (rows + source.first, source)
        for rows, source in zip(supplied, mixture.sources, strict=True)
        if source.corpus == corpus and not source.replay
    )
    most = (source.end_position or 0) / source.limit
    return InputError(
        f"stages.{stage.name}.max_epochs",
        f"{wanted} steps read corpus {corpus!r} {read / source.limit:.3g} times up to the end of "
        f"the stage, more than {most:.3g} ({source.limit} rows, enough for {allowed} steps)",
        "Give fewer tokens, more text, a larger max_epochs, or at_end: stop",
    )


@dataclass(frozen=True, order=True)
class Repetition:
    """How often the recipes of a sweep read a corpus up to the end of a stage, and in it."""

    stage: str
    corpus: str
    replay: bool
    fewest: Fraction
    """Times over all recipes that read it more than once."""
    most: Fraction

    @property
    def as_data(self) -> dict[str, str | bool | float]:
        """The same for JSON."""
        times = {"fewest": float(self.fewest), "most": float(self.most)}
        return {"stage": self.stage, "corpus": self.corpus, "replay": self.replay, **times}

    @property
    def text(self) -> str:
        """`german in stage german 2.4 times`."""
        role = "replay of " if self.replay else ""
        low, high = (f"{float(times):.3g}" for times in (self.fewest, self.most))
        times = high if low == high else f"{low} to {high}"
        return f"{role}{self.corpus} {times} times by the end of stage {self.stage}"


def repetitions(chains: Iterable[Chain]) -> list[Repetition]:
    """What the chains read more than once, by stage and corpus.

    New data count over all stages up to the end of that one. Replay counts within the stage, over
    the rows of which it takes some.
    """
    found: dict[tuple[str, str, bool], set[Fraction]] = {}
    for chain in chains:
        for key, (read, limit) in _read_by(chain).items():
            if read > limit:
                found.setdefault(key, set()).add(Fraction(read, limit))
    return [Repetition(*key, min(times), max(times)) for key, times in found.items()]


def _read_by(chain: Chain) -> dict[tuple[str, str, bool], tuple[int, int]]:
    """The rows that a chain reads, and those there are, by stage, corpus and whether it is replay.

    A stage whose fields change inside it has several parts, and counts as one.
    """
    read: dict[tuple[str, str, bool], tuple[int, int]] = {}
    for stage in chain.stages:
        supplied = stage.mixture.supplied(np.array([stage.steps]))[:, 0]
        for source, rows in zip(stage.mixture.sources, supplied.tolist(), strict=True):
            if rows:
                key = stage.name, source.corpus, source.replay
                before = read.get(key, (0, 0))[0] if source.replay else source.first
                read[key] = before + rows, source.limit
    return read


def repetition_text(found: Iterable[Repetition]) -> str:
    """A sentence for people; empty where nothing is read twice."""
    texts = [repetition.text for repetition in found]
    return f"Read again: {'; '.join(texts)}. Of new data, {_FEW}." if texts else ""
