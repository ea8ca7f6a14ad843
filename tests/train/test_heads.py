"""The head of every model type: our loss is the cross entropy of the model's own logits."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

from raycl.plan.training import ModelSpec
from raycl.train.model.head import head_of
from raycl.train.model.language_model import LanguageModel, empty_model
from raycl.train.model.loss import Head
from raycl.train.start.fill import whole_model
from tests.helpers.model_types import TRAINABLE, configuration

WITHOUT_CHUNKS = {"bert", "roberta"}
"""Types whose head is more than a matrix: their logits are made whole."""


def built(config: dict[str, Any]) -> LanguageModel:
    """A model whose head's logits are large, so that a cap or a scale would be missed."""
    model = whole_model(ModelSpec(config), 16, 0)
    with torch.no_grad():
        model.model.get_output_embeddings().weight.normal_(0.0, 2.0)
        if getattr(model.model.get_output_embeddings(), "bias", None) is not None:
            model.model.get_output_embeddings().bias.normal_()
    return model


def check(model: LanguageModel) -> None:
    """Loss and gradients against those through the model's whole logits, with a padded row."""
    rows = torch.randint(1, 60, (3, 17), generator=torch.Generator().manual_seed(0))
    rows = torch.cat([rows, torch.full_like(rows[:1], -1)])
    parameters = [p for p in model.parameters() if p.requires_grad]
    found = model(rows)
    ours = torch.autograd.grad(found, parameters, allow_unused=True)
    logits = model.model(input_ids=rows[:, :-1].clamp(min=0), use_cache=False).logits
    expected = functional.cross_entropy(
        logits.flatten(0, 1), rows[:, 1:].flatten(), reduction="sum", ignore_index=-1
    )
    assert float(found) == pytest.approx(float(expected), rel=1e-5)
    theirs = torch.autograd.grad(expected, parameters, allow_unused=True)
    for one, other in zip(ours, theirs, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert float((one - other).norm()) <= 1e-4 * float(other.norm()) + 1e-4


@pytest.mark.parametrize("kind", TRAINABLE)
def test_the_loss_is_that_of_the_models_own_logits(kind: str) -> None:
    model = built(configuration(kind))
    assert (head_of(model.model) is None) == (kind in WITHOUT_CHUNKS)
    check(model)


@pytest.mark.parametrize(
    ("kind", "fields", "head"),
    [
        ("gemma2", {}, Head(soft_cap=30.0)),
        ("gemma2", {"final_logit_softcapping": 3.0}, Head(soft_cap=3.0)),
        ("gemma2", {"final_logit_softcapping": None}, Head()),
        ("recurrent_gemma", {}, Head(soft_cap=30.0)),
        ("cohere", {}, Head(scale=0.0625)),
        ("granite", {"logits_scaling": 8.0}, Head(scale=0.125)),
        ("phi", {}, Head()),
        # MPT's class has the field and does not heed it.
        ("mpt", {"logit_scale": 0.5}, Head()),
    ],
)
def test_what_a_head_does_is_proven_and_not_read(
    kind: str, fields: dict[str, Any], head: Head
) -> None:
    model = built(configuration(kind, **fields))
    assert head_of(model.model) == head
    check(model)


def test_a_large_model_is_tried_in_small() -> None:
    model = empty_model(ModelSpec(configuration("gemma2", vocab_size=256_000)), 16).model
    assert head_of(model) == Head(soft_cap=30.0)
