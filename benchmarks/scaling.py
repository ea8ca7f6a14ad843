"""The tables of docs/scaling.md: predicted steps of three models on 8 to 1,024 GPUs.

python -m benchmarks.scaling           print the tables
python -m benchmarks.scaling --write   replace them in docs/scaling.md
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raycl.plan import presets
from raycl.plan.fit import Fit, best_layout, fit, usable
from raycl.plan.layout import Layout
from raycl.plan.memory import Computation, MemoryFacts
from raycl.plan.memory_forms import memory_facts
from raycl.plan.scaling import Machine, Prediction, Work, predict

PAGE = Path(__file__).parent.parent / "docs" / "scaling.md"
BEGIN, END = "<!-- tables: python -m benchmarks.scaling -->", "<!-- end of tables -->"
MEASURED, AIM = 0.41, 0.50
"""MFU: what was measured on one H200 (benchmarks/README.md), and what is aimed at."""
GPUS = (8, 16, 32, 64, 128, 256, 512, 1024)
MACHINE = Machine()
_LLAMA_70B = {
    **presets.PRESETS["llama-8b"],
    "num_hidden_layers": 80,
    "hidden_size": 8192,
    "num_attention_heads": 64,
    "intermediate_size": 28672,
}


@dataclass(frozen=True)
class Model:
    """A model, its rows and its batch."""

    name: str
    config: Mapping[str, Any]
    sequence_length: int
    global_batch: int

    @property
    def facts(self) -> MemoryFacts:
        """What its memory depends on."""
        return memory_facts(self.config, self.sequence_length)

    @property
    def work(self) -> Work:
        """What its time depends on."""
        config = self.config
        heads = config["num_attention_heads"]
        return Work(
            parameters=self.facts.parameters,
            layers=config["num_hidden_layers"],
            hidden=config["hidden_size"],
            heads=config.get("num_key_value_heads", heads),
            flops_per_token=presets.flops_per_token(config, self.sequence_length),
            sequence_length=self.sequence_length,
            global_batch=self.global_batch,
        )


MODELS = (
    Model("GPT-NeoX 405M", {**presets.PRESETS["gpt-neox-405m"], "vocab_size": 50304}, 2048, 1104),
    Model("GPT-NeoX 9.6B", {**presets.PRESETS["gpt-neox-9.6b"], "vocab_size": 50304}, 2048, 1104),
    Model("Llama 70B", {**_LLAMA_70B, "vocab_size": 128256}, 8192, 1024),
)


def kinds(gpus: int) -> dict[str, Layout]:
    """The layouts of the table: flat, hybrid (a copy a host), flat with tensor parallelism.

    GPT-NeoX 9.6B has 36 heads, so that 4 is the most that divides both heads and hosts.
    """
    hosts = gpus // MACHINE.gpus_per_host
    hybrid = {"hybrid": Layout(replicate=hosts, shard=MACHINE.gpus_per_host)} if hosts > 1 else {}
    tensor = {f"tensor {n}": Layout(shard=gpus // n, tensor=n) for n in (2, 4)}
    return {"flat": Layout(shard=gpus), **hybrid, **tensor}


def best(model: Model, gpus: int) -> Fit | None:
    """What `raycl plan` proposes."""
    wanted = Computation(1, 1, precision="bfloat16", device="cuda")
    return best_layout(model.facts, MACHINE, gpus, model.work, wanted, MEASURED)


def fitted(model: Model, layout: Layout) -> Fit | None:
    """A layout with the micro-batch and checkpointing that fit; None where none does."""
    if layout.readers > model.global_batch:
        return None
    rows = math.ceil(model.global_batch / layout.readers)
    wanted = Computation(rows, rows, precision="bfloat16", device="cuda")
    return fit(model.facts, layout, wanted, usable(MACHINE.memory))


def predicted(model: Model, made: Fit, mfu: float) -> Prediction:
    """The step of a layout that fits."""
    computed = made.computation
    return predict(
        model.work, made.layout, MACHINE, mfu, computed.micro_batch, computed.checkpointing
    )


def lines(model: Model) -> Iterator[str]:
    """The table of one model."""
    tokens = model.global_batch * model.sequence_length
    yield f"### {model.name}"
    yield ""
    yield (
        f"{model.facts.parameters:,} parameters, {model.global_batch:,} rows of "
        f"{model.sequence_length:,} tokens ({tokens / 1e6:.1f}M) a step."
    )
    yield ""
    yield (
        "| GPUs | layout | replicate × shard × tensor | rows a worker, micro-batch, recomputing "
        f"| memory | step at {MEASURED:.0%} MFU | efficiency | step at {AIM:.0%} | efficiency |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for gpus in GPUS:
        for name, layout in kinds(gpus).items():
            yield _line(model, gpus, name, fitted(model, layout), layout)
        proposed = best(model, gpus)
        yield _line(model, gpus, "**proposed**", proposed, proposed.layout if proposed else None)
    yield ""


def _line(model: Model, gpus: int, name: str, made: Fit | None, layout: Layout | None) -> str:
    grid = f"{layout.replicate} × {layout.shard} × {layout.tensor}" if layout else ""
    if made is None:
        return f"| {gpus:,} | {name} | {grid} | does not fit | | | | | |"
    computed = made.computation
    times = [predicted(model, made, mfu) for mfu in (MEASURED, AIM)]
    shown = " | ".join(f"{time.step:.3g} s | {time.efficiency:.0%}" for time in times)
    return (
        f"| {gpus:,} | {name} | {grid} | {computed.rows}, {computed.micro_batch}, "
        f"{computed.checkpointing} | {made.memory.total / 1e9:.0f} GB | {shown} |"
    )


def tables() -> str:
    """All tables, as they stand in the page."""
    return "\n".join(line for model in MODELS for line in lines(model)).rstrip() + "\n"


def page_with(text: str) -> str:
    """The page with its tables replaced by `text`."""
    page = PAGE.read_text(encoding="utf-8")
    head, rest = page.split(BEGIN)
    return f"{head}{BEGIN}\n\n{text}\n{END}{rest.split(END)[1]}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, or write them into the page."""
    parser = argparse.ArgumentParser(description="Predicted steps on many GPUs.")
    parser.add_argument("--write", action="store_true", help="write them into docs/scaling.md")
    if parser.parse_args(arguments).write:
        PAGE.write_text(page_with(tables()), encoding="utf-8")
    else:
        print(tables())


if __name__ == "__main__":
    main()
