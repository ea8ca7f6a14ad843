"""Other loops around the same Hugging Face model, in the same run: plain, and torchtitan's way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
import transformers
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.nn import functional

from benchmarks.gpu.report import Bench, Row
from benchmarks.gpu.sizes import Size
from benchmarks.gpu.timing import Speed, speed_of

Context = AbstractContextManager[Any]


def plain(bench: Bench) -> Iterator[Row]:
    """A script's loop: autocast to bfloat16, SDPA, the model's own loss; then compiled whole."""
    for compiled in (False, True) if bench.cuda else (False,):
        model = _model(bench)
        model = torch.compile(model) if compiled else model
        name = f"plain Hugging Face loop{', torch.compile' if compiled else ''}"
        autocast = torch.autocast(bench.device.type, torch.bfloat16)
        yield _measured(bench, name, model, autocast)


def titan(bench: Bench) -> Iterator[Row]:
    """Torchtitan's step: `fully_shard` in bfloat16, compiled blocks and a compiled plain loss."""
    if not dist.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if bench.cuda else "gloo"
        store = dist.HashStore()  # type: ignore[attr-defined]
        dist.init_process_group(backend, store=store, rank=0, world_size=1)
    model = _model(bench)
    policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    mesh = init_device_mesh(bench.device.type, (1,))
    for block in model.gpt_neox.layers:
        if bench.cuda:
            block.compile()
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    yield _measured(bench, "torchtitan-style loop", model, nullcontext(), compiled_loss=bench.cuda)


def _model(bench: Bench) -> Any:
    bench.forget()
    if bench.cuda:
        torch.compiler.reset()
    config = transformers.AutoConfig.for_model(**bench.sizes.large.config)
    with bench.device:
        return transformers.AutoModelForCausalLM.from_config(
            config, attn_implementation="sdpa", dtype=torch.float32
        )


def _measured(
    bench: Bench, name: str, model: Any, context: Context, compiled_loss: bool = False
) -> Row:
    """At the first micro-batch, or at half of it where whole logits do not fit."""
    size, rows = bench.sizes.large, bench.sizes.micro_batches[0]
    while True:
        try:
            speed = _train(bench, model, rows, context, compiled_loss)
            return Row(f"{name}, micro-batch {rows}, {size.preset}", speed.row(), "raycl is faster")
        except torch.cuda.OutOfMemoryError:
            if rows == 1:
                raise
        rows //= 2
        model.zero_grad(set_to_none=True)
        bench.forget()


def _train(bench: Bench, model: Any, rows: int, context: Context, compiled_loss: bool) -> Speed:
    size: Size = bench.sizes.large
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.1, fused=True)
    shape = (size.global_batch, size.sequence_length + 1)
    tokens = torch.randint(size.vocabulary, shape, device=bench.device)
    pieces = tokens.split(rows)
    loss_of = torch.compile(_loss) if compiled_loss else _loss

    def step() -> None:
        for piece in pieces:
            with context:
                logits = model(input_ids=piece[:, :-1], use_cache=False).logits
                loss = loss_of(logits, piece[:, 1:])
            (loss / len(pieces)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    for _ in range(bench.sizes.warmup):
        step()
    bench.wait()
    began = time.perf_counter()
    for _ in range(size.steps):
        step()
    bench.wait()
    return speed_of(bench, size, time.perf_counter() - began)


def _loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(0, 1))
