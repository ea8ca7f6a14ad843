"""How a program uses the public face; mypy checks that its types are known outside of raycl."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import pandas as pd

import raycl


def use(folder: Path) -> pd.DataFrame:
    """Each public function with its types."""
    plan = raycl.plan("quickstart", gpus=True, overrides={"german.replay": "5%"})
    assert_type(plan, raycl.Plan)
    assert_type(plan.nodes, pd.DataFrame)
    runs = raycl.sweep({"name": "small"}, folder, concurrent=2)
    assert_type(runs, raycl.Runs)
    priced = raycl.sweep("quickstart", folder, prices={"machines": {}})
    assert_type(priced.bill("prices.yaml"), raycl.Bill | None)
    assert_type(raycl.plan("quickstart", prices=folder / "prices.yaml").costs, pd.DataFrame)
    best = raycl.load("runs/my").best("average")
    assert_type(best, raycl.Model)
    assert_type(best.export(folder), Path)
    assert_type(runs.sweeps, tuple[str, ...])
    return runs.history("replay 5%")
