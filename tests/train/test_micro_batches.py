"""Micro-batches of one shape: padding changes neither loss nor gradients."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from raycl.errors import InputError
from raycl.plan.shares import even_rows, largest_share, share_of
from raycl.plan.training import ModelSpec
from raycl.train.micro_batches import PADDING, cut
from raycl.train.model.language_model import LanguageModel
from raycl.train.parallel.gradients import accumulate_gradients
from raycl.train.parallel.world import World, share_of_batch
from raycl.train.start.fill import whole_model
from tests.helpers.model_types import configuration

CPU = torch.device("cpu")


@given(st.integers(1, 300), st.integers(1, 40), st.none() | st.integers(1, 400))
def test_every_rank_has_pieces_of_one_shape_with_all_of_its_rows(
    batch: int, ranks: int, micro_batch: int | None
) -> None:
    rows = torch.arange(batch).unsqueeze(1).expand(batch, 3)
    most, shapes, kept = largest_share(batch, ranks), set(), []
    for rank in range(ranks):
        share = share_of(batch, rank, ranks)
        pieces = cut(rows[share.start : share.stop], micro_batch, most)
        shapes.add(pieces.shape)
        own = pieces.flatten(0, 1)
        kept += own[own[:, 0] != PADDING][:, 0].tolist()
        assert bool(((own == PADDING).all(1) | (own != PADDING).all(1)).all())
    assert kept == list(range(batch))
    ((count, size, _),) = shapes
    assert size == even_rows(most, micro_batch or most) <= (micro_batch or most)
    assert count == math.ceil(most / (micro_batch or most))
    assert count * size - most < count  # no piece could be smaller


def gradients(
    model: LanguageModel, pieces: torch.Tensor, tokens: int
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Loss and gradients of one step, summed in the model's type; a missing gradient is zero."""
    model.zero_grad()
    loss = accumulate_gradients(model, pieces, World(0, 1, CPU), tokens)
    return loss, {
        name: torch.zeros_like(p) if p.grad is None else p.grad
        for name, p in model.named_parameters()
    }


# Dense models, heads without and with chunks, experts, state spaces and an old decoder.
@pytest.mark.parametrize(
    "kind", ["gpt_neox", "gemma2", "cohere", "opt", "bert", "mixtral", "qwen3_moe", "mamba2"]
)
def test_padding_changes_nothing(kind: str) -> None:
    model = whole_model(ModelSpec(configuration(kind)), 16, 0)
    rows = torch.randint(1, 60, (5, 17), generator=torch.Generator().manual_seed(0))
    loss, plain = gradients(model, rows.unsqueeze(0), 80)
    for micro_batch, most in ((None, 7), (2, 5), (3, 9)):
        pieces = cut(rows, micro_batch, most)
        assert pieces.numel() > rows.numel()
        found, padded_gradients = gradients(model, pieces, 80)
        assert float(found) == pytest.approx(float(loss), rel=1e-6)  # summed in float32
        for name, gradient in plain.items():
            torch.testing.assert_close(padded_gradients[name], gradient, rtol=1e-4, atol=1e-6)


def test_more_workers_than_rows_are_refused() -> None:
    assert [share_of_batch(8, World(rank, 3, CPU)) for rank in range(3)] == [2, 3, 3]
    with pytest.raises(InputError, match="9 workers for a global batch of 8 rows"):
        share_of_batch(8, World(0, 9, CPU))
