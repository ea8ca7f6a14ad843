"""Tiny models of several families as stored states, with a corpus and a tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from raycl.data.manifest import fingerprinted, load_manifest, write_manifest
from raycl.data.tokenizer import store_tokenizer
from raycl.plan.training import ModelSpec
from raycl.states.mark import CorpusOrigin, Metadata
from raycl.storage import Storage
from raycl.train.checkpoint.save import StateWriter
from raycl.train.checkpoint.tensors import named_tensors
from raycl.train.parallel.world import World
from raycl.train.start.fill import whole_model
from tests.helpers.finished_sweep import small_tokenizer
from tests.helpers.state_marks import state_mark
from tests.helpers.training_runs import LENGTH, VOCABULARY, make_corpus

STATE = "000000004-" + "a" * 40
_SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
_WIDE = {**_SIZE, "intermediate_size": 48, "vocab_size": VOCABULARY, "max_position_embeddings": 64}
_LLAMA = {"model_type": "llama", **_WIDE, "num_key_value_heads": 2, "rope_theta": 777.0}
_GEMMA = {**_WIDE, "num_key_value_heads": 2, "head_dim": 8, "sliding_window": 8}
FAMILIES: Mapping[str, Mapping[str, Any]] = {
    "gpt2, tied": {
        "model_type": "gpt2",
        "n_embd": 32,
        "n_layer": 2,
        "n_head": 4,
        "n_positions": 64,
        "vocab_size": VOCABULARY,
    },
    "gpt_neox": {"model_type": "gpt_neox", **_WIDE, "rotary_pct": 0.5, "rotary_emb_base": 777},
    "llama, tied": {**_LLAMA, "tie_word_embeddings": True},
    "llama, long": {
        **_LLAMA,
        "tie_word_embeddings": False,
        "rope_scaling": {"rope_type": "linear", "factor": 2.0},
    },
    "gemma2": {
        "model_type": "gemma2",
        **_GEMMA,
        "attn_logit_softcapping": 1.0,
        "final_logit_softcapping": 2.0,
    },
    "gemma3": {
        "model_type": "gemma3_text",
        **_GEMMA,
        "rope_theta": 777.0,
        "rope_local_base_freq": 77.0,
    },
    "mixtral, experts": {
        "model_type": "mixtral",
        **_WIDE,
        "num_local_experts": 2,
        "num_key_value_heads": 2,
    },
}


def stored_family(folder: Path, family: str) -> Storage:
    """A storage with a state of random, rather large weights, its corpus and its tokenizer."""
    storage, spec = Storage(folder), ModelSpec(FAMILIES[family], initialization="transformers")
    make_corpus(storage, "new")
    tokenizer = store_tokenizer(storage, small_tokenizer())
    manifest = fingerprinted(load_manifest(storage, "corpora/new"), tokenizer=tokenizer)
    write_manifest(storage, "corpora/new", manifest)
    origin = CorpusOrigin(folder="corpora/new", fingerprint=manifest.fingerprint)
    metadata = Metadata(corpora={"new": origin}, tokenizer=tokenizer)
    model = whole_model(spec, LENGTH, 5)
    with torch.no_grad():
        for parameter in model.parameters():
            # As initialised, all tokens are as likely: no fault would be seen in the loss.
            parameter.add_(torch.randn_like(parameter) * 0.2)
    mark = state_mark(STATE, model=spec, metadata=metadata)
    writer = StateWriter(storage, World(0, 1, torch.device("cpu")), keep_last=1)
    writer.save(STATE, named_tensors(model, None), mark, {"history.parquet": b""}, kept=True)
    writer.wait()
    return storage
