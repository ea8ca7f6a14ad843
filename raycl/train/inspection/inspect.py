"""Looks into a model before a cluster starts: whether it can be trained, and how large it is."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import transformers
from torch import nn

from raycl.errors import InputError, within
from raycl.models.configuration import check_heads, check_positions, check_values
from raycl.models.quantization import check_quantization, check_trainable
from raycl.models.start import TensorHeader
from raycl.plan.model_facts import ModelFacts
from raycl.plan.trained import Trains
from raycl.plan.training import ModelSpec
from raycl.train.inspection.memory_facts import count_memory
from raycl.train.inspection.probe import behaviour, freeze_unreached
from raycl.train.inspection.size import measure
from raycl.train.model.architecture import check_class, hugging_face_config
from raycl.train.model.attention import NAMES, built_with, has_soft_cap
from raycl.train.model.empty import empty_causal_model
from raycl.train.model.language_model import LanguageModel, transformer_blocks, vocabulary_of
from raycl.train.model.partial import restrict, tied_names
from raycl.train.model.quiet import silent
from raycl.train.start.keys import check_keys
from raycl.train.start.left_over import LeftOver
from raycl.train.start.origins import token_tables


def inspect_model(
    spec: ModelSpec,
    tensors: Mapping[str, TensorHeader] | None,
    sequence_length: int,
    vocabulary: int,
    where: str,
) -> ModelFacts:
    """The facts of a model that can be trained on rows of `sequence_length` tokens.

    `spec.config` is the complete configuration. `tensors` are those of the checkpoint to start
    from, None for random weights; `vocabulary` is the tokenizer's. No weight is read, and no weight
    of the full model is made. Raises InputError, with `where` in front, where the model is not a
    causal language model that can be trained, or the tensors are not its weights.
    """
    with within(where), silent():
        config = _checked_config(spec, tensors)
        model = _on_meta(config)
        _check_vocabulary(model, vocabulary, spec.pretrained is not None)
        check_positions(_with_offset(model), sequence_length)
        left = check_keys(model, tensors, "weights") if tensors is not None else LeftOver()
        parameters = sum(parameter.numel() for parameter in model.parameters())
        shown = behaviour(spec.config, parameters)
        if shown is not None and not shown.causal:
            raise InputError(
                f"model_type {config.model_type!r}",
                "not causal: a position sees the tokens after it, which it is to predict",
                "Give a causal model; encoders such as BERT have `is_decoder: true` for that",
            )
    size = measure(model, shown.unreached if shown else (), sequence_length)
    return ModelFacts(
        parameters=size.parameters,
        trained=size.trained,
        active=size.active,
        flops_per_token=size.flops_per_token,
        vocabulary=vocabulary_of(model),
        attention=_supported(config),
        recomputes=bool(model.supports_gradient_checkpointing),
        divides=bool(transformer_blocks(LanguageModel(model))),
        memory=count_memory(config, shown.unreached if shown else (), sequence_length),
        token_tables=token_tables(model, tensors or {}),
        notes=left.sentences(where, type(model).__name__),
    )


def inspect_stage(spec: ModelSpec, sequence_length: int, trains: Trains) -> ModelFacts:
    """The facts of a stage that trains a part of a model, which is a valid one.

    Raises InputError where the model does not have what the stage names.
    """
    with silent():
        config = hugging_face_config(spec.config)
        language_model = LanguageModel(_on_meta(config))
        freeze_unreached(language_model, spec)
        restrict(language_model, trains)
        model, unreached = language_model.model, language_model.unreached
        size = measure(model, unreached, sequence_length)
        tied = tied_names(language_model)
        sentence = f"{tied[0]} and {tied[1]} are one parameter (tied)" if tied else ""
        return ModelFacts(
            parameters=size.parameters,
            trained=size.trained,
            active=size.active,
            flops_per_token=size.flops_per_token,
            vocabulary=vocabulary_of(model),
            attention=_supported(config),
            recomputes=bool(model.supports_gradient_checkpointing),
            divides=bool(transformer_blocks(language_model)),
            memory=count_memory(config, unreached, sequence_length, trains),
            tied=sentence if trains.lora is None else "",
        )


def _on_meta(config: transformers.PretrainedConfig) -> transformers.PreTrainedModel:
    try:
        return built_with(config, ("eager", "sdpa"), lambda name: empty_causal_model(config, name))
    except InputError:
        raise
    except Exception as error:  # whatever a class raises for sizes that do not fit together
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        problem = f"no model can be built from it ({reason})"
        raise InputError("model.config", problem, "Correct its sizes") from error


def _checked_config(
    spec: ModelSpec, tensors: Mapping[str, TensorHeader] | None
) -> transformers.PretrainedConfig:
    """The configuration's object, where class, values and formats are right."""
    check_quantization(spec.config, "model.config")
    check_values(spec.config, "model.config")
    config = hugging_face_config(spec.config)
    check_class(config)
    check_heads(config.to_dict())
    if tensors is not None:
        check_trainable(tensors, "weights")
    return config


def _check_vocabulary(
    model: transformers.PreTrainedModel, vocabulary: int, pretrained: bool
) -> None:
    rows = vocabulary_of(model)
    if vocabulary > rows:
        remedy = "Take the model's own tokenizer, or enlarge the model: raycl models extend"
        raise InputError(
            f"vocabulary of {rows:,} tokens",
            f"the tokenizer has {vocabulary:,} tokens, more than the model",
            remedy if pretrained else f"Set model.config.vocab_size to {vocabulary} or more",
        )


def _with_offset(model: transformers.PreTrainedModel) -> dict[str, object]:
    """The configuration, with the positions that remain where a table of them has padding."""
    config: dict[str, object] = model.config.to_dict()
    for name, module in model.named_modules():
        padded = isinstance(module, nn.Embedding) and module.padding_idx is not None
        if padded and name.endswith("position_embeddings"):
            config["max_position_embeddings"] = module.num_embeddings - module.padding_idx - 1
    return config


def _supported(config: transformers.PretrainedConfig) -> tuple[str, ...]:
    """Values of `execution.attention`, whether or not this machine can compute them."""
    cls = transformers.models.auto.modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    found = ["eager"]
    if not has_soft_cap(config) and _builds(copy.deepcopy(config), NAMES["sdpa"]):
        found.append("sdpa")
    if getattr(cls, "_supports_flash_attn", False) or getattr(cls, "_supports_flash_attn_2", False):
        found.append("flash")
    return tuple(found)


def _builds(config: transformers.PretrainedConfig, attention: str) -> bool:
    try:
        empty_causal_model(config, attention)
    except (ValueError, ImportError):
        return False
    return True
