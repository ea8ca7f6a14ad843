"""Measures what it costs a training step to watch for losses and gradients that are not finite.

python -m benchmarks.skip_cost [--steps 60]      (one CPU thread; plain and guarded steps alternate)
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from benchmarks.loops.sizes import BATCH, CONFIG, LENGTH, VOCABULARY
from raycl.plan.optimizer import Optimizer
from raycl.plan.training import ModelSpec
from raycl.train.optimizer import build_optimizer, is_spike, set_learning_rate, step_unless
from raycl.train.parallel.clipping import clip_gradients
from raycl.train.start.fill import whole_model


def main() -> None:
    """Make plain and guarded steps in turn; print medians with and without the forward pass."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=60)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = whole_model(ModelSpec(CONFIG), LENGTH, 0)
    optimizer = build_optimizer(model, Optimizer())
    set_learning_rate(optimizer, 1e-3)
    rows = torch.randint(VOCABULARY, (BATCH, LENGTH + 1))

    def step(guarded: bool) -> tuple[float, float]:
        began = time.perf_counter()
        loss = model(rows) / rows.numel()
        forward = time.perf_counter()
        loss.backward(1 + 0 * loss.detach() if guarded else None)
        norm = clip_gradients(model, 1.0)
        if guarded:
            step_unless(optimizer, is_spike(norm, None))
        else:
            optimizer.found_inf = None  # type: ignore[attr-defined]
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        ended = time.perf_counter()
        return ended - began, ended - forward

    times: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    step(False)
    for index in range(2 * arguments.steps):
        guarded = index % 4 in (1, 2)  # neither kind is always the first of a pair
        times[guarded].append(step(guarded))
    for part, name in enumerate(("step", "after the forward pass")):
        plain, watched = (statistics.median(t[part] for t in times[g]) for g in (False, True))
        pairs = zip(times[True], times[False], strict=True)
        gaps = sorted(one[part] - other[part] for one, other in pairs)
        middle = gaps[len(gaps) // 4], gaps[3 * len(gaps) // 4]
        print(
            f"{name:23} plain {plain * 1e3:7.2f} ms, guarded {watched * 1e3:7.2f} ms; pairs "
            f"{statistics.median(gaps) * 1e6:+.0f} µs ({middle[0] * 1e6:+.0f} … "
            f"{middle[1] * 1e6:+.0f} µs)"
        )
    print(f"the guard's own operations: {guard_seconds(len(optimizer.state)) * 1e6:.0f} µs")


def guard_seconds(tensors: int, repeats: int = 2000) -> float:
    """Seconds of the operations alone that a guarded step has beyond a plain one."""
    counts = [torch.zeros(()) for _ in range(tensors)]
    loss, norm = torch.tensor(2.0), torch.tensor(1.0)
    began = time.perf_counter()
    for _ in range(repeats):
        _ = 1 + 0 * loss.detach()
        found = (~torch.isfinite(norm)).float()
        torch._foreach_sub_(counts, [found] * tensors)  # as torch's AdamW does with found_inf
    return (time.perf_counter() - began) / repeats


if __name__ == "__main__":
    main()
