"""One node's training under way: what changes from step to step, and what a step changes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from raycl.data.manifest import load_manifest
from raycl.plan.shares import largest_share
from raycl.plan.training import Training
from raycl.states.mark import StateMark, ValidationFacts
from raycl.storage import Storage, layout
from raycl.train.batch import ExpectedRows
from raycl.train.borders import find_borders
from raycl.train.cadence import SaveClock, saves_after, stays_after, validates_after
from raycl.train.checkpoint.load import deepest_state, load_history, load_state
from raycl.train.checkpoint.save import StateWriter
from raycl.train.checkpoint.stored_state import StoredState
from raycl.train.checkpoint.tensors import MOMENT, named_tensors
from raycl.train.exchange import Exchange, Launched, Question
from raycl.train.garbage import collect_between_steps, collect_in_pause
from raycl.train.history import History, not_finite, without_validation
from raycl.train.inspection.probe import freeze_unreached
from raycl.train.loss_weights import row_weights
from raycl.train.machine_facts import machine_facts
from raycl.train.mark import HistoryStart, Reached, history_start, holding, training_mark
from raycl.train.memory_in_use import restart_peak
from raycl.train.micro_batch import choose_micro_batch
from raycl.train.micro_batches import cut, cut_alike
from raycl.train.model.adapters import is_transposed, without_adapters
from raycl.train.model.attention import attention_choices
from raycl.train.model.empty import materialize
from raycl.train.model.language_model import LanguageModel, empty_model
from raycl.train.model.partial import restrict
from raycl.train.optimizer import (
    build_optimizer,
    is_spike,
    reset_optimizer,
    set_learning_rate,
    step_count,
    step_unless,
)
from raycl.train.parallel.clipping import clip_gradients
from raycl.train.parallel.gradients import accumulate_gradients, complete_gradients
from raycl.train.parallel.precision import compute_dtype, precision_name
from raycl.train.parallel.sharding import abandon_step, shard_model
from raycl.train.parallel.world import World, share_of_batch
from raycl.train.start.adapter_weights import draw_adapters
from raycl.train.start.fill import fill, initial_weights
from raycl.train.throughput import throughput
from raycl.train.validation import KeptRows, read_validation_rows, validation_losses


class Trainer:
    """Everything that changes while a node trains; `step` is the number of steps done.

    It begins from the state `found`: with AdamW's moments (resume), or with the weights alone
    where the chain resets the optimizer there (hand-off). Where `found` is None, it begins from
    the model's own start.
    """

    def __init__(
        self,
        task: Training,
        storage: Storage,
        world: World,
        found: StoredState | None,
        asked: Question,
    ) -> None:
        self._task, self._world, self._storage = task, world, storage
        self._began = time.time()
        self._save_clock = SaveClock(task.execution.save_every)
        self._machine = machine_facts(world)
        restart_peak(world.device)
        share = share_of_batch(task.chain.global_batch, world)
        self._most_rows = largest_share(task.chain.global_batch, world.layout.readers)
        self._tokens_per_step = task.chain.global_batch * task.sequence_length
        self._dtype = compute_dtype(task.execution.precision, world.device)
        self.step = self._first_step = 0 if found is None else found.step
        self._learning_rates = task.chain.learning_rates(self.step, task.stop)
        self._manifests = {c: load_manifest(storage, f) for c, f in task.corpora.items()}
        self._validation_rows = read_validation_rows(
            storage, task.corpora, self._manifests, task.validation.rows, world
        )
        self._micro_batch = choose_micro_batch(
            task, self._most_rows, world, self._dtype, found.mark if found is not None else None
        )
        self.model = self._build(found is None)
        self._expected = ExpectedRows(share, task.sequence_length, self.model.vocabulary)
        self._optimizer = build_optimizer(self.model, task.optimizer)
        self._history_start = HistoryStart() if found is None else history_start(found)
        lines = self._load(storage, found) if found is not None else []
        self.history = self._history(lines, asked)
        self.writer = StateWriter(storage, world, task.execution.keep_last)
        self._end_tables: dict[str, bytes] = {}

    def _history(self, lines: list[dict[str, Any]], asked: Question) -> History:
        task, world = self._task, self._world
        facts = throughput(
            self.model, world, self._dtype, task.sequence_length, self._tokens_per_step
        )
        exchange = Exchange(world, task.optimizer.gradient_skip, asked, self._save_clock.is_over)
        return History(exchange, facts, lines)

    def _build(self, initialize: bool) -> LanguageModel:
        """The model, of which this rank holds its share; `initialize` gives it first weights."""
        task = self._task
        attention = attention_choices(task.execution.attention, self._world.device, self._dtype)
        borders = find_borders(self._storage, task.documents, self._manifests.values())
        model = empty_model(task.model, task.sequence_length, attention, borders).train()
        freeze_unreached(model, task.model)
        restrict(model, task.trains)
        kept = {"activation_checkpointing": self._micro_batch.checkpointing}
        execution = task.execution.model_copy(update=kept)
        shard_model(model, self._world, self._dtype, execution)
        materialize(model, self._world.device)
        if initialize:
            source = initial_weights(self._storage, task.model, task.seed)
            with without_adapters(model):
                fill(model, task.model, source, self._world)
        draw_adapters(model, task.seed, self.step)  # a resume reads them from the state
        return model

    def _load(self, storage: Storage, found: StoredState) -> list[dict[str, Any]]:
        """Load weights and, unless this is a hand-off, AdamW's state; returns earlier history."""
        hand_off = self._task.chain.resets_optimizer(found.step)
        optimizer = None if hand_off else self._optimizer
        load_state(storage, found, self.model, optimizer, self._world)
        if found.kept:
            return []
        return without_validation(load_history(storage, found), self._validated_otherwise(found))

    def _validated_otherwise(self, found: StoredState) -> list[str]:
        """The corpora that the state's training validated on other rows than this one does."""
        kept, corpora = found.mark.validation, found.mark.metadata.corpora
        if kept is not None and kept.rows != self._task.validation.rows:
            return list(corpora)
        return [
            corpus
            for corpus, origin in corpora.items()
            if corpus in self._manifests
            and origin.fingerprint != self._manifests[corpus].fingerprint
        ]

    def train_step(self, stream: Iterator[np.ndarray]) -> None:
        """Make one update: set the rate, get rows, compute gradients, clip them, apply AdamW.

        The device skips the update where the loss is not finite or the gradient norm is a spike.
        Raises InputError or RuntimeError where rows do not fit or end too early, and the error of
        the last write of a state, if it had one.
        """
        task, step = self._task, self.step
        if task.chain.resets_optimizer(step):
            self.writer.before_update()
            reset_optimizer(self._optimizer)
        learning_rate = float(self._learning_rates[step - self._first_step])
        set_learning_rate(self._optimizer, learning_rate)
        asked = time.perf_counter()
        rows = self._expected.next_of(stream, step, self._world)
        data_wait = time.perf_counter() - asked
        loss = self._accumulate(rows)
        complete_gradients(self.model)
        norm = clip_gradients(self.model, task.optimizer.gradient_clip)
        self.writer.before_update()
        step_unless(self._optimizer, is_spike(norm, task.optimizer.gradient_skip))
        self._optimizer.zero_grad(set_to_none=True)
        launched = Launched(loss, norm.detach(), data_wait)
        self.history.add(step, learning_rate, launched, self._rows_read(step))
        self.step = step + 1
        collect_between_steps(self.step)
        self.writer.check()

    def exchange(self) -> bool:
        """Exchange numbers with the other ranks where it is time to; see `History.exchange`.

        Raises FloatingPointError where `max_skipped` steps in a row were skipped.
        """
        news = self.history.exchange()
        self._check_skipped()
        return news

    def _accumulate(self, rows: torch.Tensor) -> torch.Tensor:
        """The loss of the rows, with its gradients.

        Where the device has no room, once more with half the rows at a time: nothing was updated.
        """
        weights = row_weights(self._task.chain, self.step, self._world)
        predicted = self._predicted(rows, weights)
        while True:
            pieces = cut(rows, self._micro_batch.rows, self._most_rows)
            own = None if weights is None else cut_alike(weights, pieces)
            try:
                return accumulate_gradients(self.model, pieces, self._world, predicted, own)
            except torch.OutOfMemoryError as error:
                self._micro_batch.halve(error, self._world)
            # Outside the handler the error, which holds the activations, is gone.
            abandon_step(self.model)
            self._optimizer.zero_grad(set_to_none=True)
            if self._world.device.type == "cuda":
                torch.cuda.empty_cache()

    def _predicted(self, rows: torch.Tensor, weights: torch.Tensor | None) -> int | torch.Tensor:
        """The tokens that all ranks predict in this step, each with its weight (collective).

        `rows` and their weights are this rank's.
        """
        if self.model.borders is None and weights is None:
            return self._tokens_per_step
        counted = self._world.sum(self.model.predicted(rows, weights))
        # A step without any has no gradient. Counts are exact below 2^24, and above it to 6e-8.
        return torch.where(counted > 0, counted, 1).float()

    def resolve(self) -> None:
        """Read the losses of all steps so far into the history; waits for the device (collective).

        Raises FloatingPointError where `max_skipped` steps in a row were skipped.
        """
        self.history.resolve()
        self._check_skipped()

    def _check_skipped(self) -> None:
        if len(self.history.most_skipped) >= self._task.execution.max_skipped:
            raise self._not_finite(self.history.most_skipped)

    def _not_finite(self, steps: Sequence[int]) -> FloatingPointError:
        self.writer.wait()
        chain = self._task.chain
        # The state right before the first skipped step may itself be the cause, because no step
        # has succeeded from it. So the last good state lies at least one step earlier.
        good = self._world.agree(lambda: deepest_state(self._storage, chain, steps[0] - 1, "all"))
        return not_finite(self.history, steps, good.name if good else None)

    def _rows_read(self, step: int) -> Counter[str]:
        return Counter(self._task.chain.row_counts(step))

    def validation_due(self) -> bool:
        """Whether to validate now; see `validates_after`."""
        return validates_after(self._task, self.step)

    def save_due(self) -> bool:
        """Whether to save now; see `saves_after`. All ranks give the same answer."""
        return saves_after(self._task, self.step) or self.history.saving

    def asked_to_leave(self) -> bool:
        """Whether a rank was asked to make room, as far as all ranks know."""
        return self.history.leaving

    def validate(self) -> None:
        """Losses of all corpora into the history (collective). Raises FloatingPointError."""
        self.resolve()
        measured = (self.model, self._validation_rows, self._world, self._micro_batch.rows)
        if self.step == self._task.stop:
            kept = KeptRows(self._storage, self._manifests, self._validation_rows, self._world)
            losses = validation_losses(*measured, kept.collected)
            self._end_tables[layout.STATE_ROWS] = kept.file()
        else:
            losses = validation_losses(*measured)
        self.history.add_validation(self.step, losses)
        collect_in_pause()
        self.history.restart_clock()

    def save(self) -> bool:
        """Begin to write the state after `step` steps; whether it did (collective).

        It does not while the latest step was skipped: these weights have no finite loss yet. At the
        node's end its validation has to show one. Raises FloatingPointError.
        """
        self.resolve()
        if self.history.latest_skipped:
            if self.step < self._task.stop:
                return False
            if not self.history.validated_finite():
                raise self._not_finite(self.history.latest_skipped)
        self.writer.save(
            self._task.chain.name(self.step),
            self._tensors(),
            self._mark(),
            self._tables() if self._world.rank == 0 else {},
            kept=stays_after(self._task, self.step),
        )
        self.history.saving = False
        self._save_clock.restart()
        collect_in_pause()
        self.history.restart_clock()
        return True

    def _tables(self) -> dict[str, bytes]:
        """What is written beside the tensors; at the node's end the losses of rows too."""
        ends = self._end_tables if self.step == self._task.stop else {}
        return {layout.STATE_HISTORY: self.history.to_parquet(), **ends}

    def _tensors(self) -> dict[str, torch.Tensor]:
        """What the state is written with. Adapters are weights, which no state is without."""
        tensors = named_tensors(self.model, self._optimizer)
        if holding(self._task, self.step) == "all":
            return tensors
        return {name: t for name, t in tensors.items() if not name.startswith(MOMENT)}

    def _mark(self) -> StateMark:
        reached = Reached(
            step=self.step,
            optimizer_steps=step_count(self._optimizer),
            seconds=time.time() - self._began,
            world_size=self._world.size,
            machine=self._machine,
            validation=ValidationFacts(
                rows=self._task.validation.rows,
                micro_batch=self._micro_batch.rows,
                precision=precision_name(self._dtype),
                documents=self._task.documents,
            ),
            transposed=is_transposed(self.model),
        )
        return training_mark(self._task, self._manifests, self._history_start, reached)

    def metrics(self) -> dict[str, Any]:
        """The newest line, `step` as steps done, with tokens seen and updates of this call."""
        line = self.history.lines[-1]
        step = line["step"] + 1
        return {
            **line,
            "step": step,
            "tokens": step * self._tokens_per_step,
            "optimizer_steps": step - self._first_step,
        }
