"""Keeps one line of numbers per training step, without waiting for the device at every step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from raycl.train.exchange import Exchange, Launched, Numbers
from raycl.train.history_file import history_file
from raycl.train.throughput import Throughput

_SECONDS_BETWEEN_EXCHANGES = 1.0
_MOST_STEPS_BETWEEN_EXCHANGES = 100


class History:
    """Lines since the node's start. Ranks exchange their numbers about once a second.

    What is sent after one step is read after the next, so that the host never waits for the step
    that it has just launched. `skipped` is 1 in the line of a step whose update was skipped,
    because its loss or gradient norm was not finite, or its norm was above `gradient_skip`.
    `latest_skipped` holds the steps at the end that were skipped in a row, and `most_skipped` the
    longest such row in this process. `leaving` is whether a rank was asked to make room, and
    `saving` whether it was time to save; the latter is set back by whoever saves.
    """

    def __init__(
        self, exchange: Exchange, throughput: Throughput, lines: list[dict[str, Any]]
    ) -> None:
        self.lines = lines
        self.leaving = self.saving = False
        self.latest_skipped: tuple[int, ...] = ()
        self.most_skipped: tuple[int, ...] = ()
        self._exchange, self._throughput = exchange, throughput
        self._pending: list[tuple[dict[str, Any], Launched]] = []
        self._sent: list[dict[str, Any]] = []
        self._every = 1

    def add(
        self, step: int, learning_rate: float, launched: Launched, rows: Mapping[str, int]
    ) -> None:
        """Add a step that was launched."""
        line: dict[str, Any] = {"step": step, "learning_rate": learning_rate}
        line |= {f"rows/{corpus}": count for corpus, count in rows.items()}
        self._pending.append((line, launched))

    def exchange(self) -> bool:
        """Read what was sent after an earlier step, and send what is due (collective).

        Returns whether there is a new line; the answer is the same on every rank.
        """
        news = self._read()
        if len(self._pending) >= self._every:
            self._send()
        return news

    def resolve(self) -> None:
        """Turn all steps so far into lines; waits for the device (collective)."""
        self._read()
        if self._pending:
            self._send()
            self._read()

    def _send(self) -> None:
        self._sent = [line for line, _ in self._pending]
        self._exchange.send([launched for _, launched in self._pending])
        self._pending.clear()

    def _read(self) -> bool:
        if not self._exchange.is_under_way:
            return False
        numbers = self._exchange.read()
        shared = self._throughput.columns(numbers, len(self._sent))
        for line, loss, norm, skipped in zip(
            self._sent, numbers.losses, numbers.norms, numbers.skipped, strict=True
        ):
            self._count_skipped(line["step"], skipped)
            own = {"loss": loss, "gradient_norm": norm, "skipped": int(skipped)}
            self.lines.append(line | own | shared)
        self._every = _steps_between_exchanges(numbers) or self._every
        self.leaving = self.leaving or numbers.leaving
        self.saving = self.saving or numbers.saving
        return True

    def _count_skipped(self, step: int, skipped: bool) -> None:
        self.latest_skipped = (*self.latest_skipped, step) if skipped else ()
        if len(self.latest_skipped) > len(self.most_skipped):
            self.most_skipped = self.latest_skipped

    def restart_clock(self) -> None:
        """Measure time from now on. Called after a validation or a save, which is no training."""
        self._exchange.restart_clock()

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
        """All lines as a Parquet file, without pending steps."""
        return history_file(self.lines)


def _steps_between_exchanges(numbers: Numbers) -> int | None:
    """About a second of steps, as all ranks have measured it; None where none has yet."""
    if numbers.earlier_seconds <= 0:
        return None
    wanted = round(_SECONDS_BETWEEN_EXCHANGES / numbers.earlier_seconds)
    return max(1, min(_MOST_STEPS_BETWEEN_EXCHANGES, wanted))


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
