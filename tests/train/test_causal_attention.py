"""Attention without a mask: where it is taken, and that it is the same attention."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from raycl.plan.training import ModelSpec
from raycl.train.model.architecture import hugging_face_config
from raycl.train.model.causal_attention import NAME, needs_no_mask
from raycl.train.model.language_model import LanguageModel
from raycl.train.start.fill import whole_model
from tests.helpers.model_types import TRAINABLE, configuration
from tests.helpers.training_runs import CONFIG

WITHOUT = sorted(k for k in TRAINABLE if needs_no_mask(hugging_face_config(configuration(k))))
ROWS = torch.randint(0, 64, (2, 17), generator=torch.Generator().manual_seed(0))


def built(config: dict[str, Any]) -> LanguageModel:
    return whole_model(ModelSpec(config), 16, 0)


def implementation(model: LanguageModel) -> str:
    return str(model.model.config._attn_implementation)


@pytest.mark.parametrize("kind", WITHOUT)
def test_it_computes_what_sdpa_does(kind: str) -> None:
    model = built(configuration(kind))
    assert implementation(model) == NAME
    found = model(ROWS)
    model.model.set_attn_implementation("sdpa")
    assert torch.equal(found, model(ROWS))


def test_the_usual_models_need_no_mask() -> None:
    assert {"gpt_neox", "llama", "qwen2", "qwen3", "olmo", "olmo2", "mixtral"} <= set(WITHOUT)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("mistral", {"sliding_window": 8}),
        ("qwen2", {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 0}),
        ("gemma2", {}),
        ("gemma3_text", {}),
        ("falcon", {"alibi": True}),
    ],
)
def test_models_that_see_less_keep_their_mask(kind: str, fields: dict[str, Any]) -> None:
    assert implementation(built(configuration(kind, **fields))) in ("sdpa", "eager")


class Questions(TorchDispatchMode):
    """Counts the operations of which a mask is made, or by which transformers asks for one."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = function._schema.name.removeprefix("aten::")
        self.count += name in ("all", "any", "_local_scalar_dense", "item", "diff", "where")
        return function(*args, **(kwargs or {}))


def test_no_mask_is_made_and_none_is_asked_for() -> None:
    model = built(CONFIG)
    counts = []
    for name in (NAME, "sdpa"):
        model.model.set_attn_implementation(name)
        with torch.no_grad(), Questions() as questions:
            model.model.base_model(input_ids=ROWS, use_cache=False)
        counts.append(questions.count)
    assert counts[0] == 0 < counts[1]
