"""Tells all ranks what each knows of some steps, by one small collective that nobody waits for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from raycl.train.memory_in_use import peak_memory
from raycl.train.moment import Moment, to_device, to_host
from raycl.train.optimizer import is_spike
from raycl.train.parallel.world import World

Question = Callable[[], bool]


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Launched:
    """A step whose loss and norm are still tensors on the device."""

    loss: torch.Tensor
    """This rank's share."""
    norm: torch.Tensor
    """The same on every rank."""
    data_wait: float
    """Seconds that this rank waited for its rows."""


@dataclass(frozen=True)
class Numbers:
    """What was read of some steps; all but `seconds` is the same on every rank."""

    losses: list[float]
    norms: list[float]
    skipped: list[bool]
    seconds: float
    """How long they took this rank's device."""
    data_wait: float
    """Seconds that the slowest rank waited for its rows."""
    peak_memory: int
    """Bytes of the rank that holds most."""
    earlier_seconds: float
    """How long a step took before these, mean over ranks; 0 where nothing is known."""
    leaving: bool
    """Whether a rank was asked to make room."""
    saving: bool
    """Whether it is time to save, by the clock of a rank."""


@dataclass(frozen=True)
class _Sent:
    host: torch.Tensor
    steps: int
    done: Moment


class Exchange:
    """Sends a rank's numbers, and reads later what all ranks sent.

    Reading waits until the device has done the steps that were sent, and not for any later one. All
    ranks send and read at the same steps, so that what they read decides alike for all of them.
    """

    def __init__(
        self, world: World, most_norm: float | None, asked: Question, saves: Question = _never
    ) -> None:
        self._world, self._most_norm, self._asked, self._saves = world, most_norm, asked, saves
        self._sent: _Sent | None = None
        self._step_seconds = 0.0
        self.restart_clock()

    @property
    def is_under_way(self) -> bool:
        """Whether numbers were sent and not read yet."""
        return self._sent is not None

    def restart_clock(self) -> None:
        """Measure time from now on. Called after a validation or a save, which is no training."""
        self._start = Moment(self._world.device)

    def send(self, steps: Sequence[Launched]) -> None:
        """Send the numbers of these steps (collective)."""
        count, device = len(steps), self._world.device
        own = [
            float(self._asked()),
            self._step_seconds,
            sum(step.data_wait for step in steps),
            float(peak_memory(device)),
            float(self._saves()),
        ]
        losses = torch.stack([step.loss for step in steps]).double()
        if self._world.rank % self._world.layout.tensor:
            losses.zero_()  # peers that read the same rows count once
        norms = torch.stack([step.norm for step in steps])
        values = torch.cat([losses, to_device(torch.tensor(own, dtype=torch.float64), device)])
        gathered = self._world.gather_numbers(values)
        parts = [
            # Peers in `tensor` read the same rows, so one of them speaks for all.
            gathered[:: self._world.layout.tensor, :count].sum(0),
            gathered[:, count : count + 2].sum(0),
            gathered[:, count + 2 :].amax(0),
            norms.double(),
            # The device has decided whether a step was skipped by the same function.
            is_spike(norms, self._most_norm).double(),
        ]
        self._sent = _Sent(to_host(torch.cat(parts)), count, Moment(device))

    def read(self) -> Numbers:
        """The numbers that were sent."""
        sent, self._sent = self._sent, None
        assert sent is not None
        sent.done.wait()
        seconds = max(sent.done.seconds_since(self._start), 1e-9)
        self._start, self._step_seconds = sent.done, seconds / sent.steps
        values, count = sent.host.tolist(), sent.steps
        asked, step_seconds, data_wait, memory, saves = values[count : count + 5]
        return Numbers(
            losses=values[:count],
            norms=values[count + 5 : 2 * count + 5],
            skipped=[bool(value) for value in values[2 * count + 5 :]],
            seconds=seconds,
            data_wait=data_wait,
            peak_memory=int(memory),
            earlier_seconds=step_seconds / self._world.size,
            leaving=asked > 0,
            saving=saves > 0,
        )
