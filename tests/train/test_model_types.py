"""Model types of transformers: which train a step, and which are refused with a sentence."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from raycl.errors import InputError
from raycl.plan.optimizer import Optimizer
from raycl.plan.training import ModelSpec
from raycl.train.inspection.inspect import inspect_model
from raycl.train.inspection.probe import freeze_unreached
from raycl.train.optimizer import build_optimizer, set_learning_rate
from raycl.train.start.fill import whole_model
from tests.helpers.model_types import (
    ENCODER_DECODERS,
    NOT_CAUSAL,
    PHIMOE,
    TRAINABLE,
    WITHOUT_HEAD,
    configuration,
)


@pytest.mark.parametrize("kind", TRAINABLE)
def test_a_step_is_trained_and_the_plan_knows_the_size(kind: str) -> None:
    spec = ModelSpec(configuration(kind))
    facts = inspect_model(spec, None, 16, 60, "my.yaml")
    model = whole_model(spec, 16, 0)
    freeze_unreached(model, spec)
    parameters = list(model.parameters())
    assert facts.parameters == sum(p.numel() for p in parameters)
    assert facts.trained == sum(p.numel() for p in parameters if p.requires_grad)
    assert 0 < facts.active <= facts.parameters
    assert facts.flops_per_token > 0
    assert facts.vocabulary == model.vocabulary == 64
    optimizer = build_optimizer(model, Optimizer())
    set_learning_rate(optimizer, 1e-2)
    rows = torch.from_numpy(np.random.default_rng(0).integers(0, 60, (4, 17)))
    losses = []
    for _ in range(2):
        loss = model(rows)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert math.isfinite(losses[0])
    assert losses[1] < losses[0]


@pytest.mark.parametrize("kind", NOT_CAUSAL)
def test_encoders_are_refused(kind: str) -> None:
    for changes in ({}, {"is_decoder": False}):
        config = {**configuration("bert"), "model_type": kind, **changes}
        if not changes:
            config.pop("is_decoder")
        with pytest.raises(InputError, match="not causal"):
            inspect_model(ModelSpec(config), None, 16, 60, "my.yaml")


def test_a_model_that_needs_its_noise_is_refused() -> None:
    """PhiMoE without `router_jitter_noise` weighs each expert with 1, also when it is used."""
    with pytest.raises(InputError, match="phimoe': the noise of its training cannot be turned off"):
        inspect_model(ModelSpec(PHIMOE), None, 16, 60, "my.yaml")


@pytest.mark.parametrize("kind", [*ENCODER_DECODERS, *WITHOUT_HEAD, "klingon", "lama", ""])
def test_other_kinds_of_models_are_refused(kind: str) -> None:
    with pytest.raises(InputError, match="model_type") as raised:
        inspect_model(ModelSpec({"model_type": kind}), None, 16, 60, "my.yaml")
    assert raised.value.where.startswith("my.yaml: model_type")
    assert raised.value.remedy
