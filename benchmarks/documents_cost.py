"""What keeping documents apart costs on one CPU thread: tokens a second with and without.

`python -m benchmarks.documents_cost` prints a line for each row length: a GPT-NeoX of 2.9 million
parameters and a Llama of 7 million, whose documents end at every 256th token
on average. Each number is the best of `_ROUNDS` forward and backward passes, in CPU seconds.
"""

from __future__ import annotations

import time
from typing import Any

import torch

from raycl.plan.presets import PRESETS
from raycl.plan.training import ModelSpec
from raycl.train.model.documents import Borders
from raycl.train.start.fill import whole_model

_ROUNDS, _TOKENS, _END, _DOCUMENT = 3, 2048, 0, 256
_LLAMA = {
    "model_type": "llama",
    "vocab_size": 8192,
    "hidden_size": 256,
    "intermediate_size": 704,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "max_position_embeddings": 4096,
}
_MODELS: dict[str, dict[str, Any]] = {
    "gpt-neox-tiny": {**PRESETS["gpt-neox-tiny"], "vocab_size": 8192},
    "llama 7M": _LLAMA,
}


def _rows(length: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(1, 8192, (_TOKENS // length, length + 1), generator=generator)
    ends = torch.rand(rows.shape, generator=generator) < 1 / _DOCUMENT
    return rows.masked_fill(ends, _END)


def _tokens_a_second(config: dict[str, Any], length: int, borders: Borders | None) -> float:
    spec = ModelSpec({**config, "max_position_embeddings": 4096})
    model, rows = whole_model(spec, length, 0, borders=borders).train(), _rows(length)
    taken = []
    for _ in range(_ROUNDS):
        begin = time.process_time()
        model(rows).backward()
        taken.append(time.process_time() - begin)
    return rows[:, 1:].numel() / min(taken)


def main() -> None:
    """Print tokens a CPU second across documents and within them, and their ratio."""
    torch.set_num_threads(1)
    for name, config in _MODELS.items():
        for length in (256, 1024):
            across, within = (_tokens_a_second(config, length, b) for b in (None, Borders(_END)))
            print(f"{name}, rows of {length}: {across:,.0f} across, {within:,.0f} within", end=" ")
            print(f"({within / across - 1:+.0%})", flush=True)


if __name__ == "__main__":
    main()
