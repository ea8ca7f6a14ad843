"""Which fields of a model's configuration change a training step, and which do not.

Continual pre-training runs without dropout and without any other noise in the forward pass: what a
layer drops would differ after a resume and on another number of workers, so that a state would
depend on more than its name says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from raycl.errors import InputError

_NOISE = ("drop", "jitter", "noise")
"""Parts of the names of fields that make a forward pass random: attn_pdrop, layerdrop, …"""
_OTHER_HEADS = ("classifier", "summary", "pooler")
"""How the names of fields begin that belong to other heads than a language model's."""

_NO_STEP = frozenset(
    {
        # origin and form of the files
        "_name_or_path",
        "_commit_hash",
        "architectures",
        "auto_map",
        "dtype",  # weights are trained in float32, whatever they were stored in
        "torch_dtype",
        "tokenizer_class",
        "torchscript",
        "transformers_version",
        "use_bfloat16",
        # how the model is computed, which execution decides
        "_attn_implementation",
        "_attn_implementation_autoset",
        "_attn_implementation_internal",
        "attn_implementation",
        "gradient_checkpointing",
        "output_attentions",
        "output_hidden_states",
        "return_dict",
        "use_cache",
        # classification
        "finetuning_task",
        "id2label",
        "label2id",
        "num_labels",
        "problem_type",
        "task_specific_params",
        # generation
        "bad_words_ids",
        "begin_suppress_tokens",
        "diversity_penalty",
        "do_sample",
        "early_stopping",
        "encoder_no_repeat_ngram_size",
        "exponential_decay_length_penalty",
        "forced_bos_token_id",
        "forced_eos_token_id",
        "length_penalty",
        "max_length",
        "max_new_tokens",
        "min_length",
        "no_repeat_ngram_size",
        "num_beam_groups",
        "num_beams",
        "num_return_sequences",
        "output_scores",
        "prefix",
        "remove_invalid_values",
        "repetition_penalty",
        "return_dict_in_generate",
        "suppress_tokens",
        "temperature",
        "top_k",
        "top_p",
        "typical_p",
    }
)


def is_noise(name: str, value: Any) -> bool:
    """Whether a field of a configuration is a rate of dropout or the size of another noise."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and any(part in name.lower() for part in _NOISE)


def trained_fields(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without the fields that change no step, at any depth; a deep copy.

    Rates of dropout are among them, because every model is built without dropout.
    """
    return {
        name: _trained(value)
        for name, value in config.items()
        if name not in _NO_STEP and not is_noise(name, value)
    }


def _trained(value: Any) -> Any:
    if isinstance(value, Mapping):
        return trained_fields(value)
    if isinstance(value, list | tuple):
        return [_trained(inner) for inner in value]
    return value


def refuse_noise(config: Mapping[str, Any], where: str) -> None:
    """Raise InputError where a configuration that a user wrote asks for dropout."""
    for field, value in _noise_in(config, where):
        raise InputError(
            f"{field} {value!r}",
            "continual pre-training runs without dropout: what is dropped would differ after a "
            "resume and on another number of workers",
            "Leave the field out, or give 0",
        )


def _noise_in(config: Mapping[str, Any], where: str) -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _noise_in(value, f"{where}.{name}")
        elif _number(value) != 0 and is_noise(str(name), _number(value)):
            if str(name).startswith(_OTHER_HEADS):
                continue
            yield f"{where}.{name}", value


def _number(value: Any) -> Any:
    """The number in a text such as '0.1', since YAML may read a rate as text."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
