"""Causal language models of Hugging Face with their loss: built empty, and exported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from torch.nn import functional

from raycl.models.configuration import check_positions
from raycl.plan.training import ModelSpec
from raycl.train.model.architecture import earlier_configuration, hugging_face_config
from raycl.train.model.attention import FLASH, built_with
from raycl.train.model.documents import IGNORED, Borders, positions_of, targets_of
from raycl.train.model.dropout import silence_configuration, silence_modules
from raycl.train.model.empty import empty_causal_model
from raycl.train.model.head import head_of
from raycl.train.model.loss import summed_cross_entropy
from raycl.train.model.quiet import silent
from raycl.train.model.within_documents import built_within


@dataclass(frozen=True)
class RowWeights:
    """How much each row counts in the loss: float32 [count].

    FSDP casts every tensor of numbers among the arguments of a forward pass to the type of the
    computation, and a weight in bfloat16 would be wrong by up to 0.4 %. It does not look in here.
    """

    values: torch.Tensor

    def of_tokens(self, length: int) -> torch.Tensor:
        """The weights of all targets of rows with `length` targets each."""
        return self.values.repeat_interleave(length)


class LanguageModel(nn.Module):
    """A Hugging Face causal LM whose forward pass is the summed next-token loss of rows.

    The head and the loss run inside `forward`, because FSDP gathers the head's weight only there.
    A parameter's name is `model.` followed by its Hugging Face name.
    """

    def __init__(self, model: transformers.PreTrainedModel, borders: Borders | None = None) -> None:
        super().__init__()
        self.model = model
        self.borders = borders
        """Where attention and loss stop; None: they go over the whole row."""
        self.vocabulary = vocabulary_of(model)
        self.keeps_gathered = False
        """Whether gathered weights stay from a step's first micro-batch to its last."""
        self.token_losses: list[torch.Tensor] | None = None
        """Gets the cross entropy of every target of a forward pass without gradients, in order and
        in pieces; None: only sums are wanted. What has no target has 0."""
        self.unreached: frozenset[str] = frozenset()
        """Patterns of the parameters that no gradient reaches, where it is known."""
        self._head = head_of(model)

    def forward(self, rows: torch.Tensor, weights: RowWeights | None = None) -> torch.Tensor:
        """Sum of cross entropies (nats) over all targets; `rows` is [count, length + 1] int64.

        A token below 0 is padding: as a target it is ignored, and as an input it is token 0. With
        `weights` each cross entropy is multiplied by the weight of its row.
        """
        of_tokens = None if weights is None else weights.of_tokens(rows.shape[1] - 1)
        inputs, targets = self._inputs(rows), targets_of(rows, self.borders).reshape(-1)
        if self._head is None:
            logits = self.model(**inputs, use_cache=False).logits.flatten(0, 1)
            targets = targets.clamp(min=IGNORED)
            if self.token_losses is not None:
                self.token_losses.append(_each_cross_entropy(logits.float(), targets))
            return _cross_entropy(logits.float(), targets, of_tokens)
        hidden = self.model.base_model(**inputs, use_cache=False)[0].flatten(0, 1)
        projection = self.model.get_output_embeddings()
        return summed_cross_entropy(
            hidden,
            projection.weight,
            targets,
            soft_cap=self._head.soft_cap,
            scale=self._head.scale,
            bias=getattr(projection, "bias", None),
            weights=of_tokens,
            each=self.token_losses,
        )

    def predicted(self, rows: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """How many tokens of the rows are predicted, as a scalar on their device.

        With `weights` [count] each counts as much as its row.
        """
        counts = (targets_of(rows, self.borders) >= 0).sum(dim=1)
        return counts.sum() if weights is None else (counts * weights.double()).sum()

    def _inputs(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """Token ids, and where documents are kept apart their positions.

        Flash attention finds documents by positions in a batch of one row alone.
        """
        ids = rows[:, :-1].clamp(min=0)
        if self.borders is None:
            return {"input_ids": ids}
        given = {"input_ids": ids, "position_ids": positions_of(rows, self.borders)}
        if self.model.config._attn_implementation != FLASH:
            return given
        return {name: tensor.reshape(1, -1) for name, tensor in given.items()}


def _cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None
) -> torch.Tensor:
    """The sum over targets that are not ignored, each times its weight where there are any."""
    if weights is None:
        return functional.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="sum")
    return (_each_cross_entropy(logits, targets) * weights).sum()


def _each_cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The cross entropy (nats) of each target [tokens]; 0 where it is ignored."""
    return functional.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="none")


def vocabulary_of(model: transformers.PreTrainedModel) -> int:
    """Tokens that both the embedding and the output matrix have."""
    parts: list[Any] = [model.get_input_embeddings(), model.get_output_embeddings()]
    return min(int(part.weight.shape[0]) for part in parts if part is not None)


def empty_model(
    spec: ModelSpec,
    sequence_length: int,
    attention: Sequence[str] = ("sdpa", "eager"),
    borders: Borders | None = None,
) -> LanguageModel:
    """The float32 model, without dropout, whose parameters have no bytes (the meta device).

    `attention` has transformers' names; the first that the model supports is taken. With `borders`
    it has to stay within documents. Buffers are real and on the CPU. Raises InputError where the
    sequence is too long for the model, or the configuration is not usable.
    """
    config = _configuration(spec)
    choose = built_with if borders is None else built_within
    model = choose(config, attention, lambda name: empty_causal_model(config, name))
    silence_modules(model)
    check_positions(model.config.to_dict(), sequence_length)
    model.config.use_cache = False
    return LanguageModel(model, borders)


def _configuration(spec: ModelSpec) -> transformers.PretrainedConfig:
    if spec.pretrained is not None and not spec.config:
        config = earlier_configuration(spec.pretrained)
    else:
        config = hugging_face_config(spec.config)
    silence_configuration(config)
    return config


def transformer_blocks(model: LanguageModel) -> list[nn.Module]:
    """The transformer blocks: the first list of modules with as many entries as there are layers.

    Empty where the model has no such list.
    """
    layers = getattr(model.model.config.get_text_config(), "num_hidden_layers", None)
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == layers:
            return list(module)
    return []


def save_hugging_face(
    model: LanguageModel,
    folder: Path,
    file_bytes: int,
    weights: dict[str, torch.Tensor] | None = None,
) -> None:
    """Write config.json and safetensors weights that `from_pretrained` reads.

    `weights` replace the model's own; without any only the configuration is written.
    """
    model.model.config.use_cache = True  # off while training; users who generate text want it
    with silent():
        model.model.save_pretrained(folder, state_dict=weights, max_shard_size=file_bytes)
