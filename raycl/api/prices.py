"""Prices as a program gives them, and what was spent by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from raycl.errors import InputError
from raycl.plan.prices import Prices
from raycl.recipe.prices_file import parse_prices, store_price_text
from raycl.recipe.written_recipe import yaml_text
from raycl.recipe.yaml import read_source
from raycl.results.bill import BillSoFar, bill_text
from raycl.storage import Storage

PricesLike: TypeAlias = str | Path | Mapping[str, Any]
"""The path of a file of prices, or the mapping that such a file holds."""
_WHERE = "prices"


def prices_of_any(prices: PricesLike) -> Prices:
    """The prices in either form. Raises InputError, as for a file."""
    return parse_prices(*_text(prices))


def keep_prices(storage: Storage, sweep: str, prices: PricesLike) -> None:
    """Keep prices beside a sweep, as `raycl sweep --prices` does. Raises InputError."""
    store_price_text(storage, sweep, *_text(prices))


def _text(prices: PricesLike) -> tuple[str, str]:
    """The prices as YAML, and what they are called in errors."""
    if not isinstance(prices, Mapping):
        return read_source(Path(prices)), str(prices)
    try:
        # Written and read again, so that a mapping means what a file with it would mean.
        return yaml_text(prices), _WHERE
    except (yaml.YAMLError, RecursionError) as error:
        problem = "not made of text, numbers, lists and mappings alone"
        raise InputError(_WHERE, problem, "Give plain values") from error


@dataclass(frozen=True)
class Bill:
    """What led to the states of a sweep that are stored, whichever sweep has trained them.

    As text it is the sentence of `raycl status`.
    """

    worker_hours: float
    """Hours of workers that have a price."""
    dollars: float
    """Their price, where machines are not such as may be taken back."""
    spot_dollars: float | None
    """The price on machines that may be taken back; None where a part has none."""
    tokens: float
    """Tokens of what has a price."""
    states: int
    """Trained states on the tree of the sweep."""
    unpriced: Mapping[str, float]
    """Hours of workers by device, for devices that the prices do not name."""
    _sentence: str

    @classmethod
    def of(cls, found: BillSoFar) -> Bill:
        """The public form of a bill."""
        priced = found.priced
        return cls(
            priced.worker_hours,
            priced.dollars,
            found.spot_dollars,
            found.tokens,
            found.states,
            found.unpriced,
            bill_text(found),
        )

    def __str__(self) -> str:
        return self._sentence
