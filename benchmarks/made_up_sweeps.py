"""Made-up sweeps of any size, and a stand-in for training that writes states as training does."""

from __future__ import annotations

import io
import time
import zlib
from typing import Any

import numpy as np
import pandas as pd

from raycl.data.ray_stream import Batches
from raycl.plan.training import Training
from raycl.recipe.definition import Definition, definition_of
from raycl.states.mark import FileFacts, Metadata, StateMark, write_mark
from raycl.storage import Storage, layout
from raycl.sweep.worker import Asked, Report

SECONDS = 0.005
"""How long the stand-in takes to train a node."""
_GRIDS = {
    100: (9, 10),
    300: (12, 24),
    500: (20, 24),
    1000: (27, 36),
    2000: (43, 45),
    5000: (68, 72),
    10000: (99, 100),
}
"""From a number of nodes, about, to the numbers of rates of the second and third stage."""


def grid_of(nodes: int) -> tuple[int, int]:
    """Numbers (a, b) of rates of the second and third stage, which make 1 + a + a × b nodes.

    The pair is that of the size nearest to `nodes`.
    """
    return _GRIDS[min(_GRIDS, key=lambda size: abs(size - nodes))]


def sweep_of(nodes: int, steps: int = 1000) -> Definition:
    """A sweep of about `nodes` nodes: three stages, and a grid over the later stages' rates."""
    second, third = grid_of(nodes)
    schedule = {"kind": "cosine", "max_lr": 3e-4, "min_lr": "10%", "warmup": "1%"}
    stages = [
        {"name": name, "steps": steps, "schedule": schedule, "replay": replay}
        for name, replay in (("first", "0%"), ("second", "5%"), ("third", "5%"))
    ]
    grid = {
        "second.schedule.max_lr": [1e-4 * (1 + number) for number in range(second)],
        "third.schedule.max_lr": [1e-4 * (1 + number) for number in range(third)],
    }
    return _definition(f"made-up-{nodes}", stages, sweep=grid)


def anneals_of(branches: int, steps: int, length: int) -> Definition:
    """A trunk at a constant rate, which `branches` anneals leave at equal distances."""
    anneal = {
        "at": [f"{steps * (number + 1) // branches} steps" for number in range(branches)],
        "length": f"{length} steps",
        "min_lr": "10%",
    }
    schedule = {"kind": "constant", "max_lr": 3e-4}
    stage = {"name": "trunk", "steps": steps, "schedule": schedule, "anneal": anneal}
    return _definition(f"anneals-{branches}", [stage])


def _definition(name: str, stages: list[dict[str, Any]], **fields: Any) -> Definition:
    data = {
        "name": name,
        "model": {"preset": "gpt-neox-tiny"},
        "tokenizer": "none",
        "sequence_length": 128,
        "global_batch": 32,
        "corpora": {stage["name"]: {"text": ["nowhere"]} for stage in stages},
        "stages": stages,
        **fields,
    }
    return definition_of(data, "made-up")


def pretend(training: Training, storage: Storage, _: Batches, report: Report, __: Asked) -> None:
    """Wait a moment, report once, and leave the end state's history and mark."""
    time.sleep(SECONDS)
    report({"step": training.stop - 1, "loss": 2.0})
    write_state(training, storage)


def write_state(training: Training, storage: Storage, loss: float | None = None) -> None:
    """Write the end state of a node without weights: its mark, and a line of history per step.

    With `loss`, every corpus has this one at the node's end, and at no step before it.
    """
    chain, start, stop = training.chain, training.start, training.stop
    buffer = io.BytesIO()
    _history(training, loss).to_parquet(buffer, index=False)
    history = buffer.getvalue()
    storage.write_bytes(layout.state_history(chain.name(stop)), history)
    previous = chain.name(start) if start else None
    mark = StateMark(
        name=chain.name(stop),
        step=stop,
        stage=training.stage,
        optimizer_steps=stop - start,
        tokens=stop * chain.tokens_per_step,
        world_size=1,
        model=training.model,
        metadata=Metadata(corpora={}),
        previous=previous,
        previous_step=start,
        seconds=0.0,
        kept=True,
        files={
            layout.STATE_HISTORY: FileFacts(bytes=len(history), crc32=zlib.crc32(history)),
        },
    )
    write_mark(storage, mark.name, mark)


def _history(training: Training, loss: float | None) -> pd.DataFrame:
    steps = np.arange(training.start, training.stop)
    noise = np.random.default_rng(0)
    lines = pd.DataFrame(
        {
            "step": steps,
            "learning_rate": training.chain.learning_rates(training.start, training.stop),
            "loss": 3 + noise.random(len(steps)),
            "gradient_norm": noise.random(len(steps)),
            "skipped": 0,
            "tokens_per_second": noise.random(len(steps)),
            "data_wait_share": 0.0,
            "seconds": 0.1,
        }
    )
    for corpus in training.corpora:
        lines[f"rows/{corpus}"] = 1
        # Every hundred steps have a validation, as with `validation.every: 100`.
        lines[f"validation/{corpus}"] = np.where(
            (steps + 1) % 100 == 0, 3 + noise.random(len(steps)), np.nan
        )
        if loss is not None:
            lines[f"validation/{corpus}"] = np.where(steps + 1 == training.stop, loss, np.nan)
    return lines
