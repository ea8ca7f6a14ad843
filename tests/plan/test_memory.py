"""The memory of a step, and what fits into a GPU."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycl.errors import InputError
from raycl.plan import presets
from raycl.plan.fit import best_layout, fit, layouts, most_rows, roomy_layout, usable
from raycl.plan.layout import Layout, LayoutChoice
from raycl.plan.machines import machine_of
from raycl.plan.memory import (
    CHECKPOINTING,
    Checkpointing,
    Computation,
    Computed,
    MemoryFacts,
    StepMemory,
    state_memory,
    step_memory,
)
from raycl.plan.memory_forms import memory_facts
from raycl.plan.planned_memory import Place, check_host, on_gpus, planned, training_layout
from raycl.plan.scaling import Machine, Work
from raycl.plan.shares import even_rows
from tests.helpers.recipe_data import recipe_data, resolved

CONFIG = {**presets.PRESETS["gpt-neox-9.6b"], "vocab_size": 50304}
FACTS = memory_facts(CONFIG, 2048)
COUNT = presets.parameter_count(CONFIG)
WANTED = Computation(rows=23, micro_batch=1, precision="bfloat16", device="cuda")


def test_weights_gradients_and_moments_are_divided() -> None:
    memory = step_memory(FACTS, Layout(3, 4, 2), WANTED)
    assert memory.weights == memory.gradients == memory.moments / 2 == 4 * COUNT / 8
    assert state_memory(FACTS, Layout(3, 4, 2)) == 12 * COUNT / 8
    frozen = step_memory(replace(FACTS, frozen=COUNT // 2), Layout(), WANTED)
    assert frozen.weights == 4 * COUNT
    assert frozen.moments == 8 * (COUNT - COUNT // 2)


def test_logits_exist_in_chunks_or_whole() -> None:
    chunked = step_memory(FACTS, Layout(shard=8), replace(WANTED, micro_batch=23)).logits
    whole = replace(FACTS, chunked=False)
    full = step_memory(whole, Layout(shard=8), replace(WANTED, micro_batch=23)).logits
    assert full == 23 * 2048 * 50304 * 10
    assert chunked < full / 4


def test_the_peak_is_in_the_forward_or_in_the_backward_pass() -> None:
    memory = StepMemory(
        weights=4,
        gradients=4,
        moments=8,
        gathered=1,
        activations=10,
        logits=2,
        exchange=5,
        working=3,
        several=False,
    )
    assert memory.total == 12 + 1 + 10 + 2
    assert replace(memory, activations=1).total == 12 + 4 + 5 + 3
    # Gradients of an earlier micro-batch are there from the beginning.
    assert replace(memory, several=True).total == 12 + 1 + 10 + 2 + 4 + 3


@pytest.mark.parametrize("config", ["gpt-neox-405m", "llama-8b"])
def test_computing_again_takes_less_memory(config: str) -> None:
    facts = memory_facts({**presets.PRESETS[config], "vocab_size": 50304}, 2048)
    sizes = [
        step_memory(facts, Layout(shard=8), replace(WANTED, checkpointing=policy)).activations
        for policy in CHECKPOINTING
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < sizes[0] / 4


def test_tensor_parallelism_leaves_the_residual_stream_whole() -> None:
    one, four = (step_memory(FACTS, Layout(shard=8, tensor=n), WANTED).activations for n in (1, 4))
    assert one / 4 < four < one / 2


@given(st.floats(8e9, 2e11), st.sampled_from(CHECKPOINTING), st.integers(1, 200))
def test_the_micro_batch_is_the_largest_that_fits(
    room: float, policy: Checkpointing, rows: int
) -> None:
    wanted = replace(WANTED, rows=rows, checkpointing=policy)
    most = most_rows(FACTS, Layout(shard=16), wanted, room)

    def needs(micro_batch: int) -> float:
        computation = replace(wanted, micro_batch=micro_batch)
        return step_memory(FACTS, Layout(shard=16), computation).total

    assert 0 <= most <= rows
    assert most == 0 or needs(most) <= room
    assert most == rows or needs(most + 1) > room


@given(st.integers(1, 2000), st.integers(1, 2000))
def test_pieces_are_as_few_and_as_equal_as_can_be(rows: int, most: int) -> None:
    piece = even_rows(rows, most)
    pieces = -(-rows // most)
    assert piece <= most
    assert piece * pieces >= rows > (piece - 1) * pieces


def test_a_policy_is_taken_where_enough_rows_fit() -> None:
    roomy = fit(FACTS, Layout(shard=64), WANTED, usable(80e9))
    assert roomy is not None
    assert roomy.computation.checkpointing == "none"
    tight = fit(FACTS, Layout(shard=8), WANTED, usable(40e9))
    assert tight is not None
    assert tight.computation.checkpointing == "full"
    assert tight.memory.total <= usable(40e9)
    assert fit(FACTS, Layout(), WANTED, usable(80e9)) is None


def test_layouts_divide_workers_hosts_and_heads() -> None:
    found = set(layouts(16, 8, 36))
    assert {layout.tensor for layout in found} == {1, 2, 4}
    assert all(layout.workers == 16 for layout in found)
    assert {Layout(2, 8), Layout(1, 16), Layout(2, 2, 4)} <= found


LLAMA_70B = memory_facts(
    {
        **presets.PRESETS["llama-8b"],
        "num_hidden_layers": 80,
        "hidden_size": 8192,
        "num_attention_heads": 64,
        "intermediate_size": 28672,
        "vocab_size": 128256,
    },
    8192,
)
LEAST = replace(WANTED, rows=16, checkpointing="full")


@pytest.mark.parametrize(
    ("facts", "hosts", "layout"),
    [
        (FACTS, 6, Layout(6, 8)),
        (LLAMA_70B, 8, Layout(2, 32)),  # as docs/scaling.md proposes
        (LLAMA_70B, 6, Layout(1, 48)),  # four hosts would do, and do not divide six
        (LLAMA_70B, 2, Layout(1, 16)),  # it does not fit, and is refused elsewhere
    ],
)
def test_a_copy_lies_on_as_few_hosts_as_have_room(
    facts: MemoryFacts, hosts: int, layout: Layout
) -> None:
    found = roomy_layout(facts, "auto", 8 * hosts, hosts, LEAST, usable(80e9))
    assert found == layout


def test_copies_that_a_recipe_asks_for_stay() -> None:
    room = usable(80e9)
    assert roomy_layout(LLAMA_70B, LayoutChoice(replicate=8), 64, 8, LEAST, room) == Layout(8, 8)
    parts = roomy_layout(LLAMA_70B, LayoutChoice(tensor=4), 64, 8, LEAST, room)
    assert parts == Layout(2, 8, 4)


@given(st.integers(1, 32), st.floats(1e8, 1e12))
def test_a_layout_by_memory_has_all_workers_and_never_too_little_room_for_no_reason(
    hosts: int, room: float
) -> None:
    found = roomy_layout(FACTS, "auto", 8 * hosts, hosts, LEAST, room)
    assert found.workers == 8 * hosts
    assert found.shard % 8 == 0
    for copies in range(found.replicate + 1, hosts + 1):
        if hosts % copies == 0:  # more copies have no room
            layout = Layout(copies, 8 * hosts // copies)
            assert step_memory(FACTS, layout, LEAST).total > room


def test_plans_take_the_layout_of_training_on_hosts_that_are_known() -> None:
    training = replace(resolved(recipe_data(global_batch=16)), workers=16)
    machine = on_gpus(Machine())
    assert planned(training, FACTS, machine).layout == Layout(2, 8)
    assert planned(training, FACTS, on_gpus(Machine(gpus_per_host=4))).layout == Layout(4, 4)
    assert planned(training, FACTS, on_gpus(Machine(gpus_per_host=5))).layout == Layout(1, 16)
    assert planned(training, FACTS, on_gpus(Machine(memory=24e9))).layout == Layout(1, 16)
    assert planned(training, FACTS, Place("cuda")).layout == Layout(1, 16)
    assert training_layout(training, None, 16, machine) == Layout(2, 8)


def test_one_row_at_a_time_is_planned_where_the_place_is_not_known() -> None:
    training = resolved(recipe_data())
    assert planned(training, FACTS, Place()).computation.micro_batch == 1
    assert planned(training, FACTS, Place("cpu", 1e15)).computation.micro_batch == 8


def _work(facts: MemoryFacts) -> Work:
    flops = presets.flops_per_token(CONFIG, 2048)
    return Work(facts.parameters, 36, 4608, 36, flops, 2048, 1104)


def test_the_best_layout_fits() -> None:
    machine = Machine()
    made = best_layout(FACTS, machine, 48, _work(FACTS), WANTED)
    assert made is not None
    assert made.layout.workers == 48
    assert made.memory.total <= usable(machine.memory)
    assert best_layout(FACTS, replace(machine, memory=8e9), 1, _work(FACTS), WANTED) is None


def test_a_machine_is_named_or_given() -> None:
    assert machine_of(None) is None
    given = machine_of("h200", "48GiB", 4)
    assert given is not None
    assert (given.memory, given.gpus_per_host, given.inside) == (48 * 2**30, 4, 450e9)
    for gpu, memory in (("X9", None), (None, "80"), (None, "0GB")):
        with pytest.raises(InputError):
            machine_of(gpu, memory)


def test_a_machine_that_cannot_hold_one_row_is_refused() -> None:
    training = resolved(recipe_data(model={"preset": "gpt-neox-9.6b"}))
    with pytest.raises(InputError, match=r"1 worker of 18\d\.\d GiB and more, and this machine"):
        check_host(training, FACTS, 2**34, "recipe")
    check_host(training, FACTS, 2**38, "recipe")


def test_a_mask_between_documents_is_counted_but_for_flash() -> None:
    """One number for each pair of places of each row, which all layers share."""
    cases: list[tuple[Computed, int]] = [("float32", 4), ("bfloat16", 2)]
    for precision, each in cases:
        plain = replace(WANTED, rows=4, micro_batch=2, precision=precision)
        more = replace(plain, within_documents=True)
        before, after = (step_memory(FACTS, Layout(), c).activations for c in (plain, more))
        assert after - before == 2 * each * 2048**2
        flash = replace(more, attention="flash")
        assert step_memory(FACTS, Layout(), flash).activations == before
