"""Closed forms of what the presets' model types keep for the backward pass; torch is not imported.

They count the tensors of the classes of transformers; a test compares them with a count of those
classes. All are bytes for one row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from raycl.plan import presets
from raycl.plan.memory import Activations, Computed, MemoryFacts, activations_key


@dataclass(frozen=True)
class _Sizes:
    """Sizes of a model, and how it is computed."""

    hidden: int
    inner: int
    heads: int
    keys: int
    """Width of all keys, which several heads may share."""
    layers: int
    length: int
    each: int
    """Bytes of a number that is computed with."""
    eager: bool

    @property
    def scores(self) -> int:
        """Bytes a token of eager attention: float32 probabilities, and the same as computed with.

        Fused attention keeps a float32 number for each head.
        """
        if not self.eager:
            return 4 * self.heads
        return self.heads * self.length * (4 if self.each == 4 else 4 + self.each)


def memory_facts(config: Mapping[str, Any], length: int) -> MemoryFacts:
    """The facts of a complete `gpt_neox` or `llama` configuration for rows of `length` tokens.

    Raises ValueError for another model type, KeyError where a size is not given.
    """
    form = _FORMS.get(config["model_type"])
    if form is None:
        raise ValueError(f"no closed form for model type {config['model_type']!r}")
    ways: list[tuple[Computed, int]] = [("float32", 4), ("bfloat16", 2)]
    return MemoryFacts(
        units=_units(config),
        frozen=0,
        hidden=config["hidden_size"],
        vocabulary=config["vocab_size"],
        sequence_length=length,
        chunked=True,
        activations={
            activations_key(precision, attention): form(
                config, _sizes(config, length, each, attention == "eager")
            )
            for precision, each in ways
            for attention in ("sdpa", "eager")
        },
    )


def _units(config: Mapping[str, Any]) -> tuple[int, ...]:
    hidden, layers = config["hidden_size"], config["num_hidden_layers"]
    matrix = config["vocab_size"] * hidden
    norm = 2 * hidden if config["model_type"] == "gpt_neox" else hidden
    embedding = 0 if config.get("tie_word_embeddings") else matrix
    blocks = presets.block_parameters(config) - norm
    return (embedding, *[blocks // layers] * layers, norm + matrix)


def _sizes(config: Mapping[str, Any], length: int, each: int, eager: bool) -> _Sizes:
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    keys = config.get("num_key_value_heads", heads) * (hidden // heads)
    return _Sizes(
        hidden,
        config["intermediate_size"],
        heads,
        keys,
        config["num_hidden_layers"],
        length,
        each,
        eager,
    )


def _gpt_neox(config: Mapping[str, Any], s: _Sizes) -> Activations:
    # The block's input; two norms; queries, keys and values, the first two once more after the
    # rotation; the result of attention; the inner layer before and after its activation. Where the
    # residuals are not parallel, the second norm has an input of its own.
    streams = 3 if config.get("use_parallel_residual", True) else 4
    block = s.each * ((streams + 6) * s.hidden + 2 * s.inner) + 16 + s.scores
    kept = s.each * (6 * s.hidden + s.inner) + (0 if s.eager else s.each * s.hidden + s.scores)
    whole = s.each * s.hidden * (streams + s.eager)
    return _activations(s, block, kept, whole, s.each * s.hidden + 16)


def _llama(_: Mapping[str, Any], s: _Sizes) -> Activations:
    # A norm keeps its input in float32, and normalized with and without its weight.
    norms = 2 * s.hidden * (4 + 2 * s.each)
    # Eager attention repeats keys and values for each head.
    keys = s.hidden if s.eager else s.keys
    block = norms + s.each * (2 * s.hidden + 2 * keys + 4 * s.inner) + 8 + s.scores
    kept = s.each * (4 * s.hidden + 2 * s.keys + 2 * s.inner)
    kept += 0 if s.eager else s.each * s.hidden + s.scores
    whole = norms + s.eager * s.each * s.hidden
    return _activations(s, block, kept, whole, s.hidden * (4 + s.each) + 12)


def _activations(s: _Sizes, block: int, kept: int, whole: int, outside: int) -> Activations:
    """Bytes of a row from bytes of a token in a block, and outside all blocks."""
    scores = s.heads * s.length * 4 if s.eager else 0
    return Activations(
        outside=s.length * outside,
        blocks=s.length * s.layers * block,
        selective=s.length * s.layers * kept,
        inputs=s.length * s.layers * s.each * s.hidden,
        largest=s.length * block,
        whole=s.length * s.layers * whole,
        working=s.length * max(s.each * s.inner, scores),
    )


_FORMS: Mapping[str, Callable[[Mapping[str, Any], _Sizes], Activations]] = {
    "gpt_neox": _gpt_neox,
    "llama": _llama,
}
