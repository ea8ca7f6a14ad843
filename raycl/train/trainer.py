"""One node's training under way: model, optimizer, history, and what a step does with them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

from raycl.data.manifest import load_manifest
from raycl.errors import InputError
from raycl.plan.training import Training
from raycl.states.mark import CorpusOrigin, Metadata, StateMark, ValidationFacts
from raycl.storage import Storage
from raycl.train.checkpoint.load import StoredState, deepest_state, load_history, load_state
from raycl.train.checkpoint.save import StateWriter
from raycl.train.history import History, not_finite
from raycl.train.model import LanguageModel, attention_implementation, build_model
from raycl.train.optimizer import (
    build_optimizer,
    is_spike,
    named_tensors,
    reset_optimizer,
    set_learning_rate,
    step_count,
    step_unless,
)
from raycl.train.validation import read_validation_rows, validation_losses
from raycl.train.world import (
    World,
    accumulate_gradients,
    clip_gradients,
    compute_dtype,
    shard_model,
    share_of_batch,
)


class Session:
    """Everything that changes while a node trains; `step` is the number of steps done.

    Begins from `found`: resumed with AdamW's state, or with weights only where the chain resets
    the optimizer there (hand-off); from the model's own start where it is None.
    """

    def __init__(
        self, task: Training, storage: Storage, world: World, found: StoredState | None
    ) -> None:
        self._task, self._world, self._storage = task, world, storage
        self._began = time.time()
        self._share = share_of_batch(task.chain.global_batch, world)
        self._tokens_per_step = task.chain.global_batch * task.sequence_length
        self._dtype = compute_dtype(task.precision, world.device)
        self.step = self._first_step = 0 if found is None else found.step
        self._learning_rates = task.chain.learning_rates(self.step, task.stop)
        self._manifests = {c: load_manifest(storage, f) for c, f in task.corpora.items()}
        self._validation_rows = read_validation_rows(
            storage, task.corpora, self._manifests, task.validation_rows, world
        )
        self.model = self._build(found is None)
        self._vocabulary = self.model.model.config.vocab_size
        self._optimizer = build_optimizer(self.model, task.optimizer)
        self._seconds_before = 0.0
        self._previous_name: str | None = None  # the state that the history begins after
        self._previous_step = 0
        lines = self._load(storage, found) if found is not None else []
        self.history = History(world, self._tokens_per_step, lines, task.optimizer.gradient_skip)
        self.writer = StateWriter(storage, world, task.keep_last)

    def _build(self, initialize: bool) -> LanguageModel:
        task = self._task
        model = build_model(
            task.model,
            task.sequence_length,
            task.seed,
            attention=attention_implementation(task.attention, self._world.device, self._dtype),
            initialize=initialize,
        )
        model.train()
        return shard_model(
            model,
            self._world,
            self._dtype,
            compile_blocks=task.compile,
            activation_checkpointing=task.activation_checkpointing,
        )

    def _load(self, storage: Storage, found: StoredState) -> list[dict[str, Any]]:
        """Load weights and, unless this is a hand-off, AdamW; the history lines to go on from."""
        hand_off = self._task.chain.resets_optimizer(found.step)
        optimizer = None if hand_off else self._optimizer
        load_state(storage, found, self.model, optimizer, self._world)
        self._previous_name, self._previous_step = found.name, found.step
        if found.kept:
            return []
        # An intermediate state will be removed, so its history becomes the beginning of this one.
        self._previous_name = found.mark.previous
        self._previous_step = found.mark.previous_step
        self._seconds_before = found.mark.seconds
        return load_history(storage, found)

    def train_step(self, stream: Iterator[np.ndarray]) -> None:
        """One update: rate, rows, gradients, clipping, AdamW. Raises InputError, RuntimeError.

        It is skipped, on the device, where the loss is not finite or the gradient norm a spike.
        """
        task, step = self._task, self.step
        if task.chain.resets_optimizer(step):
            reset_optimizer(self._optimizer)
        learning_rate = float(self._learning_rates[step - self._first_step])
        set_learning_rate(self._optimizer, learning_rate)
        asked = time.perf_counter()
        rows = self._next_rows(stream)
        data_wait = time.perf_counter() - asked
        loss = accumulate_gradients(
            self.model, rows, self._world, self._dtype, task.micro_batch, self._tokens_per_step
        )
        norm = clip_gradients(self.model, task.optimizer.gradient_clip)
        step_unless(self._optimizer, is_spike(norm, task.optimizer.gradient_skip))
        self._optimizer.zero_grad(set_to_none=True)
        self.history.add(step, learning_rate, loss, norm, data_wait, self._rows_read(step))
        self.step = step + 1

    def _next_rows(self, stream: Iterator[np.ndarray]) -> torch.Tensor:
        """This rank's rows of the step, checked, on the device as int64."""
        where, shape = f"rows of step {self.step}", (self._share, self._task.sequence_length + 1)
        rows = next(stream, None)
        if rows is None:
            raise RuntimeError(f"{where}: the stream of rows has ended")
        if rows.shape != shape or rows.dtype.kind not in "iu":
            found = f"{rows.dtype} of shape {list(rows.shape)}"
            raise InputError(where, f"{found} on rank {self._world.rank}", f"Give {list(shape)}")
        if int(rows.max()) >= self._vocabulary or int(rows.min()) < 0:
            raise InputError(
                where,
                f"token ids {int(rows.min())} to {int(rows.max())}, vocabulary {self._vocabulary}",
                "Prepare the corpus with the model's tokenizer, or raise model.config.vocab_size",
            )
        return torch.from_numpy(rows.astype(np.int64)).to(self._world.device, non_blocking=True)

    def resolve(self) -> None:
        """Losses of the steps so far into the history (collective).

        Raises FloatingPointError where `max_skipped` steps in a row were skipped.
        """
        self.history.resolve()
        if len(self.history.most_skipped) >= self._task.max_skipped:
            raise self._not_finite(self.history.most_skipped)

    def _not_finite(self, steps: Sequence[int]) -> FloatingPointError:
        self.writer.wait()
        chain = self._task.chain
        # From the state right before the first of them no step has been made: it may be the cause.
        good = self._world.agree(lambda: deepest_state(self._storage, chain, steps[0] - 1))
        return not_finite(self.history, steps, good.name if good else None)

    def _rows_read(self, step: int) -> Counter[str]:
        counts: Counter[str] = Counter()
        for run in self._task.chain.rows(step):
            counts[run.corpus] += run.count
        return counts

    def validation_due(self) -> bool:
        """At the cadence, at the node's end, and before a hand-off."""
        task, step = self._task, self.step
        if step == task.stop or (task.validation_every and step % task.validation_every == 0):
            return True
        return task.chain.resets_optimizer(step)

    def validate(self) -> None:
        """Losses of all corpora into the history (collective). Raises FloatingPointError."""
        self.resolve()
        losses = validation_losses(
            self.model,
            self._validation_rows,
            self._world,
            self._dtype,
            self._task.micro_batch or self._share,
        )
        self.history.add_validation(self.step, losses)
        self.history.restart_clock()

    def save_due(self) -> bool:
        """At the cadences and at the node's end."""
        every = self._task.save_every
        return self._stays() or bool(every and self.step % every == 0)

    def _stays(self) -> bool:
        every = self._task.keep_every
        return self.step == self._task.stop or bool(every and self.step % every == 0)

    def save(self) -> None:
        """Begin to write the state after `step` steps; the node's end stays (collective).

        Not while the latest step was skipped: these weights have no finite loss yet. At the node's
        end its validation has to show one. Raises FloatingPointError.
        """
        self.resolve()
        if self.history.latest_skipped:
            if self.step < self._task.stop:
                return
            if not self.history.validated_finite():
                raise self._not_finite(self.history.latest_skipped)
        self.writer.save(
            self._task.chain.name(self.step),
            named_tensors(self.model, self._optimizer),
            self._mark(),
            self.history.to_parquet() if self._world.rank == 0 else b"",
            kept=self._stays(),
        )
        self.history.restart_clock()

    def _mark(self) -> StateMark:
        task = self._task
        corpora = {
            corpus: CorpusOrigin(folder=task.corpora[corpus], fingerprint=manifest.fingerprint)
            for corpus, manifest in self._manifests.items()
        }
        return StateMark(
            name=task.chain.name(self.step),
            step=self.step,
            stage=task.stage,
            optimizer_steps=step_count(self._optimizer),
            tokens=self.step * self._tokens_per_step,
            world_size=self._world.size,
            model=task.model,
            metadata=Metadata(corpora=corpora),
            validation=ValidationFacts(
                rows=task.validation_rows,
                micro_batch=task.micro_batch or self._share,
                precision="bfloat16" if self._dtype == torch.bfloat16 else "float32",
            ),
            previous=self._previous_name,
            previous_step=self._previous_step,
            seconds=self._seconds_before + time.time() - self._began,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            kept=self._stays(),
            files={},
        )

    def metrics(self) -> dict[str, Any]:
        """The newest line, `step` as steps done, with tokens seen and updates of this call."""
        return {
            **self.history.lines[-1],
            "step": self.step,
            "tokens": self.step * self._tokens_per_step,
            "optimizer_steps": self.step - self._first_step,
        }
