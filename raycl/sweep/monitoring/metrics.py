"""The numbers of a running sweep, which Ray's agents offer to Prometheus (docs/monitoring.md)."""

# ruff: noqa: ARG002 (the arguments that Tune passes by name to every callback)

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ray import tune
from ray.util.metrics import Counter, Gauge

from raycl.storage.requests import REQUESTS
from raycl.sweep.frontier import Frontier
from raycl.sweep.trial import NODE

SECONDS = 2.0
"""Between two updates. Ray itself hands numbers on every ten seconds."""


@dataclass
class Pace:
    """The newest numbers of a node that is trained."""

    begun: int
    """Steps that were done when this try began."""
    step: int
    steps_per_second: float = 0.0
    tokens_per_second: float = 0.0


class Throughput:
    """Adds up what the nodes of a sweep train, and what they have to train again."""

    def __init__(self) -> None:
        self._paces: dict[str, Pace] = {}
        self._running: set[str] = set()
        self.trained = 0
        """Steps that were trained, those that were lost included."""
        self.wasted = 0
        """Steps that were trained, lost with what was not saved, and begun again."""

    def told(self, node: str, result: Mapping[str, Any]) -> None:
        """A report of a node: `step` and `optimizer_steps`, `tokens` and `tokens_per_second`."""
        step, own = result.get("step"), result.get("optimizer_steps")
        if step is None or own is None:
            return
        step, begun = int(step), int(step) - int(own)
        before = self._paces.get(node)
        if before is None or before.begun != begun or step < before.step:
            self.wasted += max(0, before.step - begun) if before else 0
            before = Pace(begun, begun)
        self.trained += step - before.step
        rate = float(result.get("tokens_per_second") or 0.0)
        tokens = float(result.get("tokens") or 0.0)
        self._paces[node] = Pace(begun, step, rate * step / tokens if tokens else 0.0, rate)
        self._running.add(node)

    def ended(self, node: str) -> None:
        """The node is trained no more, or not now."""
        self._running.discard(node)

    @property
    def steps_per_second(self) -> float:
        """Optimizer steps per second of all nodes together."""
        return sum(self._paces[node].steps_per_second for node in self._running)

    @property
    def tokens_per_second(self) -> float:
        """Tokens per second of all nodes together."""
        return sum(self._paces[node].tokens_per_second for node in self._running)


class SweepMetrics(tune.Callback):
    """Keeps Ray's metrics of one sweep up to date; Ray has to be there.

    `sweeps` are the names of those that are trained as one tree.
    """

    def __init__(
        self,
        frontier: Frontier,
        sweeps: Sequence[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._frontier, self._clock, self._next = frontier, clock, clock()
        self._throughput = Throughput()
        self._counted = dict(REQUESTS)
        others = f" and {len(sweeps) - 1} more" if len(sweeps) > 1 else ""
        self._sweep = f"{sweeps[0]}{others}" if sweeps else "unnamed"
        tags = ("sweep",)
        self._nodes = Gauge("raycl_nodes", "Nodes of a sweep by state", (*tags, "state"))
        self._steps_rate = Gauge("raycl_steps_per_second", "Optimizer steps per second", tags)
        self._tokens_rate = Gauge("raycl_tokens_per_second", "Tokens per second", tags)
        self._trained = Counter("raycl_trained_steps", "Optimizer steps trained", tags)
        self._wasted = Counter("raycl_wasted_steps", "Steps trained, lost and begun again", tags)
        self._requests = Counter(
            "raycl_storage_requests", "Requests of the sweep's process", (*tags, "kind")
        )
        self._told = {"trained": 0, "wasted": 0}

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks for a restore that raycl never does."""
        return {}

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Tune comes by about every tenth of a second."""
        if self._clock() >= self._next:
            self._next = self._clock() + SECONDS
            self.update()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Take the numbers of a report."""
        self._throughput.told(str(trial.config[NODE]), result)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The node is trained no more."""
        self._throughput.ended(str(trial.config[NODE]))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The node is not trained now."""
        self._throughput.ended(str(trial.config[NODE]))

    def update(self) -> None:
        """Hand the newest numbers to Ray."""
        mine, found = {"sweep": self._sweep}, self._throughput
        for state, number in node_counts(self._frontier).items():
            self._nodes.set(number, {**mine, "state": state})
        self._steps_rate.set(found.steps_per_second, mine)
        self._tokens_rate.set(found.tokens_per_second, mine)
        for counter, name, now in (
            (self._trained, "trained", found.trained),
            (self._wasted, "wasted", found.wasted),
        ):
            if now > self._told[name]:
                counter.inc(now - self._told[name], mine)
                self._told[name] = now
        for kind, count in dict(REQUESTS).items():
            if (more := count - self._counted.get(kind, 0)) > 0:
                self._requests.inc(more, {**mine, "kind": kind})
                self._counted[kind] = count


def node_counts(frontier: Frontier) -> dict[str, int]:
    """How many nodes of a sweep are in which state; all have one."""
    done = (frontier.finished, frontier.existing, frontier.elsewhere)
    return {
        "waiting": len(frontier.waiting),
        "running": len(frontier.running),
        "finished": sum(map(len, done)),
        "failed": len(frontier.failed),
        "skipped": len(frontier.skipped),
    }
