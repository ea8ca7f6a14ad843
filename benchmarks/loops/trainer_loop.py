"""Hugging Face's Trainer."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
import torch
import transformers

from benchmarks.loops.sizes import (
    BETAS,
    CLIP,
    LENGTH,
    MAX_LR,
    WARMUP,
    WEIGHT_DECAY,
    Rows,
    Speed,
    Stopwatch,
    hugging_face_model,
)


class _Clock(transformers.TrainerCallback):
    """Times the steps from the warm-up to the last."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._watch = Stopwatch()
        self.speed = Speed(0.0, 0.0)

    def on_step_end(  # the Trainer passes more than this needs
        self,
        args: transformers.TrainingArguments,  # noqa: ARG002
        state: transformers.TrainerState,
        control: transformers.TrainerControl,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Begin after the warm-up, end after the last step."""
        if state.global_step == WARMUP:
            self._watch = Stopwatch()
        elif state.global_step == len(self._rows):
            self.speed = self._watch.speed(self._rows)


def trainer_loop(rows: Rows) -> Speed:
    """Speed of `transformers.Trainer` with neither logging, evaluation nor saving.

    The model shifts the labels itself, so that it is given the first 128 of the 129 tokens, and the
    last of them has no target.
    """
    clock = _Clock(rows)
    tokens = torch.from_numpy(np.concatenate(rows)[:, :LENGTH].astype(np.int64))
    with tempfile.TemporaryDirectory(prefix="raycl-beside-") as folder:
        arguments = transformers.TrainingArguments(
            output_dir=folder,
            max_steps=len(rows),
            per_device_train_batch_size=len(rows[0]),
            learning_rate=MAX_LR,
            lr_scheduler_type="constant",
            weight_decay=WEIGHT_DECAY,
            adam_beta1=BETAS[0],
            adam_beta2=BETAS[1],
            max_grad_norm=CLIP,
            optim="adamw_torch_fused",
            use_cpu=True,
            report_to=[],
            logging_strategy="no",
            save_strategy="no",
            disable_tqdm=True,
        )
        trainer = transformers.Trainer(
            hugging_face_model(),
            arguments,
            train_dataset=[{"input_ids": row, "labels": row} for row in tokens],
            callbacks=[clock],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    return clock.speed
