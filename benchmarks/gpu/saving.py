"""A save of the large model: how long it holds up the steps, and what is loaded from it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.gpu.report import Bench, Row
from benchmarks.gpu.watched import Tensors, difference, steps, tensors
from raycl.plan.execution import Execution
from raycl.train.trainer import Trainer

_FIRST, _SAVED, _LAST = 1, 2, 4


def saving(bench: Bench) -> Iterator[Row]:
    """Save twice, the first time with what is made once; go on here and in a new training."""
    times: dict[str, float] = {}
    blocked: list[float] = []
    straight: dict[int, Tensors] = {}
    resumed: dict[int, Tensors] = {}
    size = replace(bench.sizes.large, steps=_LAST)
    execution = Execution(micro_batch=bench.sizes.micro_batches[0])

    def look(trainer: Trainer) -> None:
        if trainer.step in (_FIRST, _SAVED):
            trainer.writer.wait()
            bench.wait()
            began = time.perf_counter()
            trainer.save()
            blocked.append(time.perf_counter() - began)
        if trainer.step == _SAVED:
            bench.wait()
            times["device"] = time.perf_counter() - began
            straight[_SAVED] = tensors(trainer)
        elif trainer.step == _LAST:
            straight[_LAST] = tensors(trainer)
            began = time.perf_counter()
            trainer.writer.wait()
            times["waited"] = time.perf_counter() - began

    steps(bench, size, execution, look, folder="save")
    expected = "< 0.5 s"
    for number, seconds in enumerate(blocked, 1):
        met = seconds < 0.5 if bench.cuda and number > 1 else None
        yield Row(f"seconds that save {number} holds up", round(seconds, 3), expected, met)
    yield Row("seconds until its copies are made", round(times["device"], 3), expected)
    yield Row("seconds of writing after two more steps", round(times["waited"], 2))
    bench.forget()

    def look_again(trainer: Trainer) -> None:
        if trainer.step == _LAST:
            resumed[_LAST] = tensors(trainer)

    began = time.perf_counter()

    def built(trainer: Trainer) -> None:
        times["load"] = time.perf_counter() - began
        resumed[trainer.step] = tensors(trainer)

    steps(bench, size, execution, look_again, folder="save", built=built)
    loaded = difference(straight[_SAVED], resumed.get(_SAVED, {}))
    yield Row("seconds to load", round(times["load"], 2))
    yield Row("loaded against saved", loaded, "0", loaded == 0)
    after = difference(straight[_LAST], resumed[_LAST])
    yield Row("two steps later", after, "0 if deterministic", None if bench.cuda else after == 0)
