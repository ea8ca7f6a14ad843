"""Compares tokens/s of raycl's loop and of a bare PyTorch loop with the same model and rows.

python -m benchmarks.loop_speed [--runs 5] [--steps 20]      (one CPU thread; alternating runs)
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import torch
import transformers
from torch.nn import functional

from raycl.plan.chain import Chain, ChainStage
from raycl.plan.mixture import Mixture, Source
from raycl.plan.optimizer import Optimizer
from raycl.plan.presets import PRESETS
from raycl.plan.schedule import Constant
from raycl.plan.training import ModelSpec, Training
from raycl.storage import Storage
from raycl.train.loop import train

VOCABULARY, LENGTH, BATCH = 2048, 128, 32
CONFIG = {**PRESETS["gpt-neox-tiny"], "vocab_size": VOCABULARY}


def make_task(steps: int) -> Training:
    """The node to train. It has no validation, because the bare loop has none."""
    mixture = Mixture((Source("c", Fraction(1), limit=10**9, at_end="repeat"),), BATCH, Fraction(0))
    stage = ChainStage("s", steps, Constant(max_lr=1e-3), mixture)
    chain = Chain({"seed": 0}, [stage], {"c": "0"}, LENGTH)
    return Training(chain, 0, steps, ModelSpec(CONFIG), Optimizer(), 0, LENGTH, corpora={})


def raycl_run(rows: list[np.ndarray]) -> float:
    """Tokens per second, from the request for the first rows to the end of the last step but one.

    The last step is not timed, because its save and commit are no part of the loop.
    """
    began = ended = 0.0

    def batches(first: int) -> Iterator[np.ndarray]:
        nonlocal began, ended
        began = time.perf_counter()
        yield from rows[first : len(rows) - 1]
        ended = time.perf_counter()
        yield rows[-1]

    with tempfile.TemporaryDirectory() as folder:
        train(make_task(len(rows)), Storage(folder), batches, lambda _: None)
    return (len(rows) - 1) * BATCH * LENGTH / (ended - began)


def bare_run(rows: list[np.ndarray], chunked: bool) -> float:
    """Tokens per second of a plain PyTorch loop; with `chunked`, of one whose loss is in chunks."""
    config = transformers.AutoConfig.for_model(**CONFIG)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True, weight_decay=0.1)
    options = torch.nn.LinearCrossEntropyOptions(chunking_method=None, batch_chunk_size=512)
    began = time.perf_counter()
    for batch in rows[:-1]:
        tokens = torch.from_numpy(batch.astype(np.int64))
        inputs, targets = tokens[:, :-1], tokens[:, 1:].reshape(-1)
        if chunked:
            hidden = model.base_model(input_ids=inputs, use_cache=False)[0].flatten(0, 1)
            loss = functional.linear_cross_entropy(
                hidden, model.lm_head.weight, targets, options=options
            )
        else:
            logits = model(input_ids=inputs, use_cache=False).logits
            loss = functional.cross_entropy(logits.flatten(0, 1), targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return (len(rows) - 1) * BATCH * LENGTH / (time.perf_counter() - began)


def main() -> None:
    """Run the three loops in turn, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    generator = np.random.default_rng(0)
    shape = (BATCH, LENGTH + 1)
    rows = [generator.integers(0, VOCABULARY, shape, np.uint16) for _ in range(arguments.steps)]
    kinds: dict[str, Callable[[], float]] = {
        "raycl": lambda: raycl_run(rows),
        "bare": lambda: bare_run(rows, chunked=False),
        "bare, chunked loss": lambda: bare_run(rows, chunked=True),
    }
    speeds: dict[str, list[float]] = {kind: [] for kind in kinds}
    # The three take turns, so that a slow spell of the machine hits all of them.
    for _ in range(arguments.runs):
        for kind, measure in kinds.items():
            speeds[kind].append(measure())
    medians = {kind: statistics.median(values) for kind, values in speeds.items()}
    for kind, median in medians.items():
        ratio = medians["raycl"] / median
        print(f"{kind:20} {median:9.0f} tokens/s   raycl is {ratio:.3f} times as fast")


if __name__ == "__main__":
    main()
