"""How often a recipe repeats its corpora at a scale, and how often at full size.

A pilot trains on fewer tokens than the run that it stands for. With the same corpora it repeats
scarce ones less often, or never, and may choose what is wrong for the run (arXiv 2606.07597). With
samples of the corpora, smaller by the factor of the tokens, it repeats them equally often.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from raycl.errors import InputError
from raycl.plan.chain import Chain
from raycl.recipe.sample import part_of
from raycl.recipe.schema import Recipe
from raycl.recipe.schema.corpus import WHOLE
from raycl.units import Length

_APART = 0.5
"""Epochs by which a pilot may differ from its run without a warning."""


@dataclass(frozen=True)
class FullSize:
    """What a corpus at a scale stands for at full size."""

    names: tuple[str, ...]
    """The recipe's corpora in whose place it is."""
    own: bool
    """Whether it is the recipe's corpus itself."""
    sample: Length
    """The part of itself that the recipe reads at full size."""
    tokens: int | None
    """Training tokens of the corpora in whose place it is; None: not stated."""

    def all_tokens(self, prepared: int | None) -> Fraction | None:
        """Tokens that the recipe has at full size; `prepared` are those of the corpus here."""
        if not self.own:
            return None if self.tokens is None else Fraction(self.tokens)
        if self.sample.unit == "tokens":
            return self.sample.value
        return None if prepared is None else self.sample.value * prepared


@dataclass(frozen=True)
class Scaling:
    """What a scale does to the tokens of a recipe and to its corpora."""

    tokens: Fraction
    """Tokens here, divided by those at full size."""
    corpora: Mapping[str, FullSize]
    """By the name of the corpus at the scale."""
    same: bool
    """Whether the scale holds repetition equal."""


@dataclass(frozen=True)
class Pilot:
    """How often a corpus was read by the end of a stage, here and at full size."""

    stage: str
    corpus: str
    here: float | None
    """None where the corpus is not prepared."""
    full: float | None
    """None where the size of what it stands for is not known."""

    @property
    def is_apart(self) -> bool:
        """Whether one repeats it noticeably more often than the other."""
        return None not in (self.here, self.full) and (
            abs(max(self.full or 0, 1) - max(self.here or 0, 1)) > _APART
        )


def full_sizes(
    recipe: Recipe, bindings: Mapping[str, str], scale: Mapping[str, Any], stated: Mapping[str, int]
) -> dict[str, FullSize]:
    """What each corpus at a scale stands for.

    `scale` are the corpora that the scale file brings, and `stated` the sizes that it gives.
    """
    found = {}
    for name in dict.fromkeys(bindings.values()):
        places = tuple(corpus for corpus, bound in bindings.items() if bound == name)
        brought = scale.get(name, {})
        fetched = recipe.corpora[name].fetch if name in recipe.corpora else None
        same = not brought or (fetched is not None and brought.get("fetch") == fetched)
        own = places == (name,) and same
        sample = recipe.corpora[name].sample if own else WHOLE
        sizes = [_read(recipe, place, stated) for place in places]
        tokens = None if None in sizes else sum(size for size in sizes if size is not None)
        found[name] = FullSize(places, own, sample, tokens)
    return found


def _read(recipe: Recipe, corpus: str, stated: Mapping[str, int]) -> int | None:
    sample = recipe.corpora[corpus].sample
    if sample.unit == "tokens":
        return round(sample.value)
    return round(stated[corpus] * sample.value) if corpus in stated else None


def with_samples(
    corpora: Mapping[str, Any], full: Mapping[str, FullSize], factor: Fraction
) -> dict[str, Any]:
    """The corpora of a recipe at a scale, cut to samples that are repeated as at full size.

    A corpus in its own place is cut by the factor of the tokens, whatever its size. One in the
    place of others becomes as many tokens as these have, times that factor. Raises InputError where
    their sizes are not stated, or a corpus would be larger than itself.
    """
    cut = {}
    for name, corpus in corpora.items():
        size = full[name]
        if size.own:
            sample = part_of(size.sample, factor)
            if sample.unit == "fraction" and sample.value > 1:
                raise InputError(
                    "repetition",
                    f"{name} would be {float(sample.value):.3g} times as large as it is: the scale "
                    "trains on more tokens than the recipe",
                    "Give a smaller steps.here in the scale file, or repetition: free",
                )
        elif size.tokens is not None:
            sample = Length(max(Fraction(1), size.tokens * factor), "tokens")
        else:
            raise InputError(
                "repetition",
                f"{name} takes the place of {', '.join(size.names)}, whose size is not known",
                f"Give their training tokens in the scale file: full_tokens: {{{size.names[0]}: "
                "300B}",
            )
        cut[name] = {**corpus, "sample": str(sample)}
    return cut


def pilots(
    chains: Iterable[Chain], scaling: Scaling, prepared: Mapping[str, int | None]
) -> list[Pilot]:
    """How often the new data of each stage were read by its end, by the recipe that reads most.

    `prepared` are the training tokens of the corpora here; None where they are not known.
    """
    read: dict[tuple[str, str], tuple[int, Fraction]] = {}
    for chain in chains:
        for stage in chain.stages:
            supplied = stage.mixture.supplied(np.array([stage.steps]))[:, 0]
            for source, rows in zip(stage.mixture.sources, supplied.tolist(), strict=True):
                if rows and not source.replay:
                    key = stage.name, source.corpus
                    end = source.first + rows
                    mine = end * chain.sequence_length, Fraction(end, source.limit)
                    read[key] = max(read.get(key, mine), mine)
    return [
        _pilot(stage, corpus, tokens, times, scaling, prepared.get(corpus))
        for (stage, corpus), (tokens, times) in read.items()
    ]


def _pilot(
    stage: str,
    corpus: str,
    tokens: int,
    times: Fraction,
    scaling: Scaling,
    prepared: int | None,
) -> Pilot:
    there = scaling.corpora[corpus].all_tokens(prepared)
    full = None if not there else float(tokens / scaling.tokens / there)
    return Pilot(stage, corpus, None if prepared is None else float(times), full)


def pilot_texts(found: Iterable[Pilot], scaling: Scaling) -> list[str]:
    """Warnings for people, and what is needed where a repetition is not known."""
    found = list(found)
    said = []
    if not scaling.same:
        said += [
            f"The pilot reads {one.corpus} {one.here:.2g} times by the end of stage {one.stage}, "
            f"the full run {one.full:.2g} times, so that the pilot may choose what is wrong for "
            "the run (arXiv 2606.07597). `repetition: same` in the scale file cuts corpora so that "
            "both repeat them equally."
            for one in found
            if one.is_apart
        ]
    if missing := sorted({one.corpus for one in found if one.here is None}):
        said.append(
            f"How often the pilot repeats {', '.join(missing)} is known when the text is prepared."
        )
    unknown = {name for one in found if one.full is None for name in _unstated(one, scaling)}
    if unknown:
        said.append(
            f"How often the full run repeats {', '.join(sorted(unknown))} is not known: give the "
            "training tokens in the scale file, as full_tokens."
        )
    return said


def _unstated(pilot: Pilot, scaling: Scaling) -> tuple[str, ...]:
    size = scaling.corpora[pilot.corpus]
    return () if size.own else size.names
