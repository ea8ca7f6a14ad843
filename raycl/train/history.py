"""Keeps one line of numbers per training step, without waiting for the device at every step."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from raycl.train.optimizer import is_spike
from raycl.train.world import World

# Reading a number from the device stalls it, so losses are read for many steps at once.
_SECONDS_BETWEEN_RESOLVES = 1.0
_MOST_STEPS_BETWEEN_RESOLVES = 100


@dataclass
class _Pending:
    """A step whose loss and norm are still tensors on the device."""

    line: dict[str, Any]
    loss: torch.Tensor
    norm: torch.Tensor
    data_wait: float


class History:
    """Lines since the node's start; all ranks together read losses about once a second.

    `skipped` is 1 in the line of a step whose update was skipped, because its loss or gradient norm
    was not finite, or its norm was above `most_norm`. `latest_skipped` holds the steps at the end
    that were skipped in a row, and `most_skipped` the longest such row in this process.
    """

    def __init__(
        self,
        world: World,
        tokens_per_step: int,
        lines: list[dict[str, Any]],
        most_norm: float | None = None,
    ) -> None:
        self.lines = lines
        self.latest_skipped: tuple[int, ...] = ()
        self.most_skipped: tuple[int, ...] = ()
        self._world, self._tokens_per_step, self._most_norm = world, tokens_per_step, most_norm
        self._pending: list[_Pending] = []
        self._every = 1
        self._window_start = time.perf_counter()

    def add(
        self,
        step: int,
        learning_rate: float,
        loss: torch.Tensor,
        norm: torch.Tensor,
        data_wait: float,
        rows: Mapping[str, int],
    ) -> None:
        """Add a step that was launched: `loss` is this rank's share, `data_wait` in seconds."""
        line: dict[str, Any] = {"step": step, "learning_rate": learning_rate}
        line |= {f"rows/{corpus}": count for corpus, count in rows.items()}
        self._pending.append(_Pending(line, loss, norm.detach(), data_wait))

    def due(self) -> bool:
        """Whether about a second of steps is pending. The answer is the same on every rank."""
        return len(self._pending) >= self._every

    def resolve(self) -> None:
        """Read the losses of pending steps and turn the steps into lines (collective)."""
        if not self._pending:
            return
        losses, norms, spikes, elapsed, waited = self._synchronize()
        count = len(self._pending)
        for pending, loss, norm, skipped in zip(self._pending, losses, norms, spikes, strict=True):
            self._count_skipped(pending.line["step"], skipped)
            self.lines.append(
                pending.line
                | {
                    "loss": loss,
                    "gradient_norm": norm,
                    "skipped": int(skipped),
                    # The device runs behind the host, so only all pending steps together can be
                    # timed.
                    "seconds": elapsed / count,
                    "tokens_per_second": self._tokens_per_step * count / elapsed,
                    "data_wait_share": min(1.0, waited / elapsed),
                }
            )
        # `elapsed` is a mean over ranks, so that all ranks choose the same number of steps.
        wanted = _SECONDS_BETWEEN_RESOLVES * count / elapsed
        self._every = max(1, min(_MOST_STEPS_BETWEEN_RESOLVES, round(wanted)))
        self._pending.clear()
        self.restart_clock()

    def _count_skipped(self, step: int, skipped: bool) -> None:
        self.latest_skipped = (*self.latest_skipped, step) if skipped else ()
        if len(self.latest_skipped) > len(self.most_skipped):
            self.most_skipped = self.latest_skipped

    def _synchronize(self) -> tuple[list[float], list[float], list[bool], float, float]:
        """Wait for the device and read the numbers of the pending steps (collective).

        Returns each step's loss summed over ranks, its gradient norm, and whether it was skipped;
        then the seconds since the clock's start and the seconds spent waiting for rows, each the
        mean over readers. The device has decided whether a step was skipped by the same function
        (`is_spike`), so both agree.
        """
        losses = torch.stack([pending.loss for pending in self._pending]).double()
        norms = torch.stack([pending.norm for pending in self._pending])
        spikes = is_spike(norms, self._most_norm).tolist()  # this call waits for the device
        elapsed = time.perf_counter() - self._window_start
        waited = sum(pending.data_wait for pending in self._pending)
        times = torch.tensor([elapsed, waited], dtype=torch.float64, device=losses.device)
        summed = self._world.sum(torch.cat([losses, times / self._world.layout.readers])).tolist()
        return summed[:-2], norms.tolist(), spikes, summed[-2], summed[-1]

    def restart_clock(self) -> None:
        """Measure time from now on. Called after a validation or a save, which is no training."""
        self._window_start = time.perf_counter()

    def add_validation(self, steps_done: int, losses: Mapping[str, float]) -> None:
        """Add validation losses after `steps_done` steps to the line of the last of these steps.

        Before the first step they get a line of their own with step -1.
        """
        if not self.lines or self.lines[-1]["step"] != steps_done - 1:
            self.lines.append({"step": steps_done - 1})
        self.lines[-1] |= {f"validation/{corpus}": loss for corpus, loss in losses.items()}

    def validated_finite(self) -> bool:
        """Whether the newest line has validation losses that all are finite."""
        losses = [v for name, v in self.lines[-1].items() if name.startswith("validation/")]
        return bool(losses) and all(map(math.isfinite, losses))

    def to_parquet(self) -> bytes:
        """All lines as a Parquet file, without pending steps; a value that a line lacks is null."""
        names = dict.fromkeys(["step", *(name for line in self.lines for name in line)])
        whole = {n for n in names if n in ("step", "skipped") or n.startswith("rows/")}
        schema = pa.schema([(n, pa.int64() if n in whole else pa.float64()) for n in names])
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(self.lines, schema=schema), sink)
        return sink.getvalue()


def not_finite(history: History, steps: Sequence[int], good: str | None) -> FloatingPointError:
    """The error for `steps`, skipped in a row; `good` names the last state with a finite loss."""
    line = next(line for line in history.lines if line["step"] == steps[0])
    return FloatingPointError(
        f"step {steps[0]}: loss {line['loss']:g}, gradient norm {line['gradient_norm']:g} at "
        f"learning rate {line['learning_rate']:g}, and so for {len(steps)} steps in a row, which "
        f"were skipped. Last good state in storage: {good or 'none'}"
    )


def without_validation(
    lines: Sequence[Mapping[str, Any]], corpora: Sequence[str]
) -> list[dict[str, Any]]:
    """The lines without losses on these corpora: one history holds losses on the same rows."""
    dropped = {f"validation/{corpus}" for corpus in corpora}
    return [{k: v for k, v in line.items() if k not in dropped} for line in lines]
