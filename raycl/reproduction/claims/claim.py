"""The type `Claim`: a sentence of the paper and the function that judges it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from raycl.reproduction.claims.decide import Verdict
from raycl.reproduction.evidence import Evidence


@dataclass(frozen=True)
class Claim:
    """One sentence of the paper (or of its follow-up configs), and the function that judges it."""

    name: str
    sentence: str
    section: str
    """The figure, table or section of the paper."""
    judge: Callable[[Evidence], Verdict]
