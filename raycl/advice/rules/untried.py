"""What was not tried, so that the sweep says nothing of it."""

from __future__ import annotations

from raycl.advice.advice import Point
from raycl.advice.choice import Choice
from raycl.advice.setting import MAX_LR, REPLAY
from raycl.advice.words import feature_text
from raycl.results.metrics import own_sides
from raycl.results.report.number_text import share_text


def untried(choice: Choice) -> list[Point]:
    """Replay of none, other shares, other rates, other seeds."""
    sides = own_sides(choice.chosen.example)
    shares = sorted({float(s.features[REPLAY]) for s in choice.ranked})
    rates = sorted({float(s.features[MAX_LR]) for s in choice.ranked} - {0.0})
    said = []
    if sides.old and len(shares) == 1:
        said.append(f"Only one replay share was tried ({share_text(shares[0])}).")
    elif sides.old and shares[0] > 0:
        said.append("No recipe goes without replay, so what replay buys is not known.")
    if len(rates) == 1:
        said.append(f"Only one maximum learning rate was tried ({feature_text(MAX_LR, rates[0])}).")
    if choice.seeds < 2:
        said.append("Only one seed was tried.")
    return [Point("not tried", "Not tried", " ".join(said))] if said else []
