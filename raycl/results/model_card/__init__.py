"""The model card of an exported state, and the recipe that trains it."""

from raycl.results.model_card.card import Weights, card_files

__all__ = ["Weights", "card_files"]
