"""What Prometheus would read from Ray's agents."""

from __future__ import annotations

import time
import urllib.request
from typing import Any, cast

from prometheus_client.parser import text_string_to_metric_families


def scraped(sweep: str) -> dict[tuple[str, str], float]:
    """The newest numbers of a sweep by metric and by its state or kind, without Ray's prefix."""
    import ray

    nodes: Any = cast(Any, ray).nodes()
    found = {}
    for node in nodes:
        url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.labels.get("sweep") == sweep:
                    which = sample.labels.get("state") or sample.labels.get("kind") or ""
                    found[sample.name.removeprefix("ray_"), which] = sample.value
    return found


def scraped_until(
    sweep: str, metric: str, which: str, value: float
) -> dict[tuple[str, str], float]:
    """The numbers as soon as one of them has come to this value; Ray hands them on now and then."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = scraped(sweep)
        if found.get((metric, which)) == value:
            return found
        time.sleep(0.5)
    raise AssertionError(f"{metric} {which} is not {value:g} in {scraped(sweep)}")
