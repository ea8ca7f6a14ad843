"""The loops to compare, by the number of their processes, and what each of them needs."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from benchmarks.loops.bare import bare_loop, ddp_loop, fsdp2_loop
from benchmarks.loops.raycl_loop import raycl_loop
from benchmarks.loops.sizes import Loop


@dataclass(frozen=True)
class Contender:
    """A loop that is imported only when it runs, and the packages that it needs."""

    load: Callable[[], Loop]
    needs: tuple[str, ...] = ()
    quick: bool = False
    """Takes seconds: imports no more than raycl does, and compiles nothing."""

    def missing(self) -> tuple[str, ...]:
        """The needed packages that are not installed."""
        return tuple(name for name in self.needs if importlib.util.find_spec(name) is None)


def _litgpt(compiled: bool) -> Loop:
    from benchmarks.loops.litgpt_loop import litgpt_loop

    return partial(litgpt_loop, compiled=compiled)


def _trainer() -> Loop:
    from benchmarks.loops.trainer_loop import trainer_loop

    return trainer_loop


_LITGPT = ("litgpt", "lightning")
ONE_PROCESS: Mapping[str, Contender] = {
    "raycl": Contender(lambda: raycl_loop, quick=True),
    "raycl, compiled": Contender(lambda: partial(raycl_loop, compiled=True)),
    "bare PyTorch": Contender(lambda: bare_loop, quick=True),
    "litgpt": Contender(lambda: _litgpt(compiled=False), _LITGPT),
    "litgpt, compiled": Contender(lambda: _litgpt(compiled=True), _LITGPT),
    "transformers.Trainer": Contender(_trainer, ("accelerate",)),
}
TWO_PROCESSES: Mapping[str, Contender] = {
    "raycl": Contender(lambda: raycl_loop, quick=True),
    "raycl, compiled": Contender(lambda: partial(raycl_loop, compiled=True)),
    "bare PyTorch, DDP": Contender(lambda: ddp_loop, quick=True),
    "bare PyTorch, FSDP2": Contender(lambda: fsdp2_loop),
}


def left_out(contenders: Mapping[str, Contender], smoke: bool) -> dict[str, str]:
    """The contenders that do not run, with the reason; a smoke test has the quick ones alone."""
    reasons = {}
    for name, contender in contenders.items():
        if smoke and not contender.quick:
            reasons[name] = "left out of a smoke test"
        elif missing := contender.missing():
            reasons[name] = f"left out: {', '.join(missing)} not installed"
    return reasons
