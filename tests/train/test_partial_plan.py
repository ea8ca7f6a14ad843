"""What a plan says of stages that train a part of the weights."""

from __future__ import annotations

import builtins
import io
from typing import Any

import pytest
from rich.console import Console

from raycl.cli.plan_view import print_plan, stage_trains
from raycl.errors import InputError
from raycl.plan import presets
from raycl.plan.cost import Plan
from raycl.plan.layout import Layout
from raycl.plan.memory import Computation, MemoryFacts, state_memory, step_memory
from raycl.plan.trained import Trains
from raycl.plan.training import ModelSpec
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.train.inspection.inspect import inspect_stage
from raycl.train.inspection.inspect_plan import inspected
from raycl.train.micro_batch import facts_of
from tests.helpers.model_types import configuration
from tests.helpers.recipe_data import changed, defined

LORA = {"lora": {"rank": 8}}
LLAMA = {**presets.PRESETS["llama-tiny"], "vocab_size": 1000}
"""4 layers of width 128, an inner width of 352, and an output matrix of its own."""
HIDDEN, INNER, LAYERS, VOCABULARY, LENGTH = 128, 352, 4, 1000, 64
MATRICES = 4 * HIDDEN**2 + 3 * HIDDEN * INNER
"""Numbers in the matrices of a block."""
SCORES = 6 * LAYERS * HIDDEN * LENGTH
"""FLOPs of attention for each token."""


def facts(written: Any, config: dict[str, Any] = LLAMA) -> Any:
    return inspect_stage(ModelSpec(config), LENGTH, Trains.model_validate(written))


def planned(**changes: Any) -> Plan:
    data = changed(1, **changes)
    return inspected(plan_sweeps((defined(stages=data["stages"]),), None)).cost


def test_adapters_are_counted_and_frozen_matrices_have_no_gradient() -> None:
    found = facts(LORA)
    adapters = LAYERS * 8 * (4 * 2 * HIDDEN + 3 * (HIDDEN + INNER))
    assert found.trained == adapters
    assert found.parameters == presets.parameter_count(LLAMA) + adapters
    frozen = LAYERS * (MATRICES + 2 * HIDDEN) + HIDDEN + VOCABULARY * HIDDEN
    assert found.flops_per_token == pytest.approx(4 * frozen + 6 * adapters + SCORES)


def test_no_gradient_goes_below_the_first_trained_weight() -> None:
    found = facts({"only": "*.layers.[23].*"})
    block = MATRICES + 2 * HIDDEN
    assert found.trained == 2 * block
    head = HIDDEN + VOCABULARY * HIDDEN
    expected = 2 * block * 2 + 2 * block * 6 + 4 * head + SCORES * (1 - 2 / 3 / 2)
    assert found.flops_per_token == pytest.approx(expected)
    head_alone = facts({"only": "lm_head.*"}).flops_per_token
    products = LAYERS * block * 2 + 4 * HIDDEN + 6 * VOCABULARY * HIDDEN
    assert head_alone == pytest.approx(products + SCORES / 3)


def test_embeddings_are_below_everything() -> None:
    found = facts("embeddings")
    assert found.trained == 2 * VOCABULARY * HIDDEN
    frozen = LAYERS * (MATRICES + 2 * HIDDEN) + HIDDEN
    assert found.flops_per_token == pytest.approx(4 * frozen + 6 * VOCABULARY * HIDDEN + SCORES)


def test_a_tied_head_is_said_to_be_the_embedding() -> None:
    tied = facts("embeddings", {**LLAMA, "tie_word_embeddings": True})
    assert tied.trained == VOCABULARY * HIDDEN
    assert tied.tied == "model.embed_tokens.weight and lm_head.weight are one parameter (tied)"
    assert facts("embeddings").tied == ""


@pytest.mark.parametrize("written", [LORA, {"freeze": "*.layers.[012].*"}, {"only": "lm_head.*"}])
def test_memory_holds_gradients_and_moments_of_what_is_trained(written: Any) -> None:
    found, whole = facts(written), facts_of(ModelSpec(LLAMA), LENGTH)
    assert isinstance(whole, MemoryFacts)
    assert found.memory == facts_of(ModelSpec(LLAMA), LENGTH, Trains.model_validate(written))
    computation = Computation(rows=4, micro_batch=4)
    partial, all_of_it = (step_memory(f, Layout(), computation) for f in (found.memory, whole))
    assert partial.weights == 4 * found.parameters
    assert partial.gradients == 4 * found.trained
    assert partial.moments == 8 * found.trained
    assert state_memory(found.memory, Layout()) == 4 * found.parameters + 8 * found.trained
    assert partial.activations < all_of_it.activations or "lora" in written
    assert partial.exchange <= all_of_it.exchange
    assert partial.total < all_of_it.total
    assert (partial.logits < all_of_it.logits) == ("lora" in written)


def test_a_plan_tells_what_each_stage_trains() -> None:
    plan, whole = planned(trains=LORA), planned()
    first, second = plan.nodes
    assert (first.trains, second.trains) == ("all", "lora rank 8")
    assert plan.parameters == plan.trained_parameters == whole.parameters
    assert second.flops < 0.8 * first.flops == 0.8 * whole.nodes[1].flops
    assert second.memory_per_worker < first.memory_per_worker
    out = io.StringIO()
    print_plan(plan, Console(file=out, width=200), prepared=True)
    assert f"new trains lora rank 8: {second.trained_parameters:,} parameters." in out.getvalue()
    assert "no gradient" not in out.getvalue()
    heading = next(t for t in out.getvalue().splitlines() if t.startswith("memory of a worker"))
    assert heading.split()[4:] == ["old", "new", "trains", "lora", "rank", "8"]


def test_a_stage_that_trains_all_is_told_by_nothing() -> None:
    definition = defined(stages=changed(1, trains=LORA)["stages"])
    chain = next(iter(plan_sweeps((definition,), None).sweeps[0].trainings.values())).chain
    assert (stage_trains(chain, "old"), stage_trains(chain, "new")) == (None, "lora rank 8")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            {"only": ["*.layer.2.*"]},
            r"my.yaml: stages.new.trains: only '\*.layer.2.\*': it matches",
        ),
        ({"freeze": ["gpt_neox.*", "embeddings"]}, "freeze: it leaves no weight"),
        ({"lora": {"targets": ["qkv"]}}, "lora.targets 'qkv': no matrix .*query_key_value"),
    ],
)
def test_what_the_model_does_not_have_is_refused_by_the_plan(written: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        planned(trains=written)


def test_adapters_and_divided_matrices_are_refused() -> None:
    stages = [{**stage, "workers": 2} for stage in changed(1, trains=LORA)["stages"]]
    definition = defined(stages=stages, execution={"layout": {"tensor": 2}})
    with pytest.raises(InputError, match="cannot be divided"):
        inspected(plan_sweeps((definition,), None))


def test_without_peft_the_plan_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without_peft(name: str, *arguments: Any, **named: Any) -> Any:
        if name == "peft":
            raise ImportError(name)
        return imported(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without_peft)
    with pytest.raises(InputError, match=r"new.trains: lora: .*Run pip install '?peft"):
        planned(trains=LORA)
    assert planned(trains="embeddings").nodes[1].trains == "embeddings"


@pytest.mark.parametrize("kind", ["gemma3", "mixtral", "phi", "olmo2", "qwen3"])
def test_adapters_fit_other_models(kind: str) -> None:
    found = facts({"lora": {"rank": 2}}, configuration(kind))
    assert 0 < found.trained < found.parameters
    assert found.memory is not None
