"""litgpt's pre-training step (`litgpt.pretrain.fit`, 0.5.13) on Pythia's architecture."""

from __future__ import annotations

import lightning
import numpy as np
import torch
from litgpt import GPT, Config
from litgpt.utils import chunked_cross_entropy

from benchmarks.loops.sizes import (
    BETAS,
    CLIP,
    CONFIG,
    LENGTH,
    MAX_LR,
    VOCABULARY,
    WEIGHT_DECAY,
    Rows,
    Speed,
    speed_of,
)


def litgpt_loop(rows: Rows, compiled: bool) -> Speed:
    """Speed of litgpt's loop without logging; litgpt itself always compiles the model."""
    fabric = lightning.Fabric(devices=1, accelerator="cpu", precision="32-true")
    model = fabric.setup(torch.compile(_model()) if compiled else _model())
    optimizer = fabric.setup_optimizers(
        torch.optim.AdamW(
            model.parameters(), lr=MAX_LR, betas=BETAS, weight_decay=WEIGHT_DECAY, fused=True
        )
    )

    def step(batch: np.ndarray) -> None:
        tokens = torch.from_numpy(batch.astype(np.int64))
        loss = chunked_cross_entropy(model(tokens[:, :-1].contiguous()), tokens[:, 1:].contiguous())
        fabric.backward(loss)
        fabric.clip_gradients(model, optimizer, max_norm=CLIP)
        optimizer.step()
        optimizer.zero_grad()

    return speed_of(step, rows)


def _model() -> GPT:
    config = Config(  # the other fields have Pythia's values by default
        block_size=LENGTH,
        n_layer=CONFIG["num_hidden_layers"],
        n_embd=CONFIG["hidden_size"],
        n_head=CONFIG["num_attention_heads"],
        vocab_size=VOCABULARY,
        padded_vocab_size=VOCABULARY,
    )
    model = GPT(config)
    model.apply(model._init_weights)  # litgpt has no public way either
    return model
