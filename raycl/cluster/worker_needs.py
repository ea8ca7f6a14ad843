"""What one worker of a node asks the cluster for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WorkerNeeds:
    """The share of a machine that one worker takes; all workers of a sweep take the same."""

    gpus: bool = False
    """Whether it takes a GPU."""
    accelerator: str | None = None
    """Ray's name of the kind of GPU, such as H100; None: any."""

    def resources(self) -> dict[str, float]:
        """The same in Ray's words.

        A machine has one unit of `accelerator_type:…`, of which Ray's own tasks take 0.001 as well.
        """
        asked: dict[str, float] = {"CPU": 1}
        if self.gpus:
            asked["GPU"] = 1
        if self.accelerator:
            asked[f"accelerator_type:{self.accelerator}"] = 0.001
        return asked

    def __str__(self) -> str:
        """In words: `1 CPU and 1 GPU (H100)`."""
        gpu = f" and 1 GPU{f' ({self.accelerator})' if self.accelerator else ''}"
        return f"1 CPU{gpu if self.gpus else ''}"
