"""The public face for notebooks and programs: plan a recipe, train it, and look at what came out.

`import raycl` offers what is listed here. docs/python.md shows how it is used.
"""

from raycl.api.model import Model
from raycl.api.plan import Plan, plan
from raycl.api.prices import Bill, PricesLike
from raycl.api.recipe import RecipeLike
from raycl.api.runs import Runs, load
from raycl.api.sweep import SweepFailed, sweep

__all__ = [
    "Bill",
    "Model",
    "Plan",
    "PricesLike",
    "RecipeLike",
    "Runs",
    "SweepFailed",
    "load",
    "plan",
    "sweep",
]
