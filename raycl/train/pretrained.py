"""Models with the weights of a checkpoint, and configurations as earlier versions stored them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from raycl.errors import InputError
from raycl.models.hub import is_hub_name
from raycl.train.attention import built_with
from raycl.train.keys import UNTIE

_REMEDY = "Give a folder or hub name with config.json and safetensors weights"


def load_weights(
    config: transformers.PretrainedConfig, folder: Path, attention: Sequence[str]
) -> transformers.PreTrainedModel:
    """The causal language model of `config` with the safetensors weights in `folder`.

    Raises InputError where the weights are not those of such a model: a weight that is missing
    would otherwise be drawn at random.
    """
    missing: list[str] = []

    def build(implementation: str) -> transformers.PreTrainedModel:
        loaded: Any = transformers.AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            attn_implementation=implementation,
            use_safetensors=True,  # the other format is a pickle, which can run code
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
        missing[:] = sorted(loaded[1]["missing_keys"])
        model: transformers.PreTrainedModel = loaded[0]
        return model

    try:
        model = built_with(config, attention, build)
    except (OSError, RuntimeError) as error:
        line = str(error).strip().split("\n")[0]
        raise InputError("model.pretrained", line, _REMEDY) from error
    if missing:
        raise InputError(
            "model.pretrained",
            f"{len(missing)} weights of the model are not in the checkpoint: {missing[0]}, …",
            "Save the whole causal language model with `save_pretrained`",
        )
    for one, other in model.get_expanded_tied_weights_keys(all_submodels=True).items():
        if model.get_parameter(one) is not model.get_parameter(other):
            problem = f"{one} and {other} differ, but config.json ties them"
            raise InputError("model.pretrained", problem, UNTIE)
    return model


def earlier_configuration(source: str) -> transformers.PretrainedConfig:
    """The configuration of a state whose mark holds a folder or hub name in its place.

    Raises InputError where the folder is gone.
    """
    where = f"model.pretrained {source!r}"
    if not Path(source).is_dir() and not is_hub_name(source):
        raise InputError(
            where,
            "an earlier raycl stored the state without its model's configuration, and this folder "
            "is not here",
            "Run the command from the folder where the sweep was run, or put the model back",
        )
    try:
        config: transformers.PretrainedConfig = transformers.AutoConfig.from_pretrained(
            source, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        line = str(error).strip().split("\n")[0]
        raise InputError(where, line, _REMEDY) from error
    return config
