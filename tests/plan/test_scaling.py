"""Predicted steps: limits that they must have, and the page that shows them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import scaling
from raycl.plan.fit import ALIKE, layouts
from raycl.plan.layout import Layout
from raycl.plan.scaling import Machine, predict

NEOX, LARGE, LLAMA = scaling.MODELS
FREE = Machine(inside=1e30, outside=1e30, hop_inside=0, hop_outside=0)


def test_one_worker_only_computes() -> None:
    alone = predict(NEOX.work, Layout(), Machine(), 0.5, 1104)
    flops = NEOX.work.flops_per_token * 1104 * 2048
    assert alone.step == pytest.approx(flops / (0.5 * 989e12))
    assert alone.efficiency == pytest.approx(1)


@pytest.mark.parametrize("layout", [Layout(shard=16), Layout(4, 4), Layout(2, 2, 4)])
def test_without_exchange_only_uneven_rows_are_lost(layout: Layout) -> None:
    free = predict(LARGE.work, layout, FREE, 0.5, 1)
    rows = -(-1104 // layout.readers)
    assert free.efficiency == pytest.approx(1104 / (rows * layout.readers))


def test_computing_again_costs_a_third() -> None:
    none, full = (predict(LARGE.work, Layout(), FREE, 0.5, 1, p).step for p in ("none", "full"))
    assert full == pytest.approx(none * 4 / 3)


def test_slow_links_bind_a_step_to_its_volumes() -> None:
    # Two hosts of one GPU, so slow that a step is nothing but its exchange: half the weights twice
    # in bfloat16, half the gradients in float32, each once in a step of one micro-batch.
    slow = replace(FREE, gpus_per_host=1, outside=1e6, reached=1.0)
    step = predict(LARGE.work, Layout(shard=2), slow, 0.5, 552).step
    half = LARGE.work.parameters / 2
    assert step == pytest.approx((2 * half + 2 * half + 4 * half) / 1e6, rel=0.05)
    copies = predict(LARGE.work, Layout(replicate=2), slow, 0.5, 552).step
    assert copies == pytest.approx(4 * LARGE.work.parameters / 1e6, rel=0.05)


def test_latency_makes_flat_sharding_slow() -> None:
    flat, hybrid = (
        predict(NEOX.work, layout, Machine(), 0.41, 5).step
        for layout in (Layout(shard=256), Layout(32, 8))
    )
    assert flat > 1.5 * hybrid


@pytest.mark.parametrize("gpus", [8, 64, 512])
@pytest.mark.parametrize("model", scaling.MODELS, ids=lambda model: str(model.name))
def test_the_proposal_is_the_best_of_the_table(model: scaling.Model, gpus: int) -> None:
    proposed = scaling.best(model, gpus)
    shown = [scaling.fitted(model, layout) for layout in scaling.kinds(gpus).values()]
    every = [scaling.fitted(model, layout) for layout in layouts(gpus, 8, model.work.heads)]
    fitting = [made for made in (*shown, *every) if made is not None]
    if proposed is None:
        assert fitting == []
        return
    best = min(scaling.predicted(model, made, scaling.MEASURED).step for made in fitting)
    assert scaling.predicted(model, proposed, scaling.MEASURED).step <= ALIKE * best


def test_the_page_has_the_tables_of_the_command() -> None:
    page = scaling.PAGE.read_text(encoding="utf-8")
    assert page == scaling.page_with(scaling.tables()), "run: python -m benchmarks.scaling --write"
