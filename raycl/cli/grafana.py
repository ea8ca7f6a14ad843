"""`raycl grafana`: the dashboard that shows sweeps in Grafana."""

from __future__ import annotations

from importlib.resources import files


def grafana() -> None:
    """Print a dashboard for Grafana, which reads what Ray offers to Prometheus of running sweeps.

    Example: `raycl grafana > raycl.json`
    """
    print(files("raycl.sweep.monitoring").joinpath("grafana.json").read_text("utf-8"), end="")
