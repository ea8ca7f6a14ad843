"""Documents of a packed row that do not see each other: as if each were computed alone."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch.nn import functional

from raycl.errors import InputError
from raycl.plan.training import ModelSpec
from raycl.train.micro_batches import cut
from raycl.train.model.attention import FLASH
from raycl.train.model.causal_attention import WITH_ONE_MASK
from raycl.train.model.documents import Borders
from raycl.train.model.flash_stand_in import STAND_IN
from raycl.train.model.language_model import LanguageModel, empty_model
from raycl.train.model.within_documents import check_within, stays_within
from raycl.train.start.fill import whole_model
from tests.helpers.model_types import TRAINABLE, configuration

END = 1
LENGTH = 16
EXACT = sorted(
    {
        *("gpt_neox", "llama", "gpt2", "qwen2", "qwen3", "gemma", "gemma3_text", "mistral", "phi"),
        *(
            "mixtral",
            "qwen3_moe",
            "olmo2",
            "smollm3",
            "cohere",
            "phi3",
            "starcoder2",
            "deepseek_v3",
        ),
    }
)
RECURRENT = ("mamba", "mamba2", "falcon_mamba", "rwkv", "recurrent_gemma")
"""Types whose state goes on over every border."""
BY_DISTANCE = ("bloom", "mpt")
"""Types without positions, which get none from outside."""


def rows(count: int = 3) -> torch.Tensor:
    """Rows with documents of one to nine tokens, one of which begins with an end."""
    made = torch.randint(2, 60, (count, LENGTH + 1), generator=torch.Generator().manual_seed(3))
    for index, ends in enumerate([(3, 4, 9), (0, 7), (5, 16), (11,), ()][:count]):
        made[index, list(ends)] = END
    return made


def alone(given: torch.Tensor) -> list[torch.Tensor]:
    """Each document of the rows by itself, [1, tokens], where it has something to predict."""
    found = []
    for row in given:
        ends = [0, *(int(i) + 1 for i in (row == END).nonzero().flatten()), len(row)]
        pieces = [row[a:b] for a, b in pairwise(ends)]
        found += [piece[None] for piece in pieces if len(piece) > 1]
    return found


def gradients(model: LanguageModel, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    found = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    return {
        n: torch.zeros_like(named[n]) if g is None else g for n, g in zip(named, found, strict=True)
    }


def assert_as_alone(config: dict[str, Any], attention: tuple[str, ...] = ("sdpa", "eager")) -> None:
    """Loss and gradients of packed rows are those of their documents, one by one."""
    packed = whole_model(ModelSpec(config), LENGTH, 0, attention, Borders(END))
    plain = whole_model(ModelSpec(config), LENGTH, 0)
    given = rows()
    loss, documents = packed(given), alone(given)
    expected = torch.stack([plain(document) for document in documents]).sum()
    assert int(packed.predicted(given)) == sum(document.shape[1] - 1 for document in documents)
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)
    assert abs(float(plain(given)) - float(loss)) > 1.0
    found, wanted = gradients(packed, loss), gradients(plain, expected)
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("kind", EXACT)
def test_loss_and_gradients_are_those_of_each_document(kind: str) -> None:
    assert_as_alone(configuration(kind))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("mistral", {"sliding_window": 3}),
        ("gemma2", {"sliding_window": 3}),
        ("gemma3_text", {"sliding_window": 3}),
        ("llama", {"num_key_value_heads": 1}),
    ],
)
def test_so_they_are_with_windows_soft_caps_and_shared_keys(
    kind: str, fields: dict[str, Any]
) -> None:
    assert_as_alone(configuration(kind, **fields))
    assert_as_alone(configuration(kind, **fields), ("eager",))


@pytest.mark.parametrize("kind", ["gpt_neox", "llama", "gpt2", "qwen3"])
def test_one_mask_serves_all_layers(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of numbers as they are computed with, so that no layer makes and keeps one of its own."""
    model = whole_model(ModelSpec(configuration(kind)), LENGTH, 0, borders=Borders(END))
    assert model.model.config._attn_implementation == WITH_ONE_MASK
    attention, masks = functional.scaled_dot_product_attention, []

    def noted(*given: Any, **fields: Any) -> torch.Tensor:
        masks.append(fields["attn_mask"])
        return attention(*given, **fields)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", noted)
    model(rows())
    first, second = masks
    assert first.data_ptr() == second.data_ptr()
    assert (first.dtype, first.shape) == (torch.float32, (3, 1, LENGTH, LENGTH))


@pytest.mark.parametrize("kind", ["gpt_neox", "llama", "gpt2", "qwen3", "gemma2", "gemma3_text"])
def test_flash_attention_gets_one_flat_row(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what stands in for it, which knows documents by positions alone as it does."""
    monkeypatch.setattr("raycl.train.model.language_model.FLASH", STAND_IN)
    assert_as_alone(
        configuration(kind, **({"sliding_window": 3} if "gemma" in kind else {})), (STAND_IN,)
    )


@pytest.mark.parametrize("kind", [*RECURRENT, *BY_DISTANCE, "gpt_oss"])
def test_a_model_that_would_see_other_documents_is_refused(kind: str) -> None:
    """gpt_oss has positions, but its class gives them to no mask."""
    with pytest.raises(InputError, match=r"does not compute packed documents.*attend_across"):
        empty_model(ModelSpec(configuration(kind)), LENGTH, borders=Borders(END))
    with pytest.raises(InputError, match="attend_across"):
        check_within(configuration(kind), 1000, ("sdpa", "eager"))


@pytest.mark.parametrize("kind", sorted(TRAINABLE))
def test_what_is_proven_in_small_is_so(kind: str) -> None:
    """Of each type: the proof allows it and it is exact, or it does not and it is refused."""
    config = configuration(kind)
    if any(stays_within(config, 1000, name) for name in ("sdpa", "eager")):
        assert_as_alone(config)
    else:
        with pytest.raises(InputError):
            empty_model(ModelSpec(config), LENGTH, borders=Borders(END))


def test_a_large_model_is_tried_in_small() -> None:
    assert stays_within(configuration("llama", vocab_size=256_000), 10**10, "sdpa")
    assert not stays_within(configuration("mamba", vocab_size=256_000), 10**10, "eager")


def test_an_implementation_that_leaks_is_passed_over() -> None:
    """GPT-NeoX hands positions on, GPT-J's class does not: no flash attention for it."""
    assert stays_within(configuration("gpt_neox"), 1000, FLASH)
    assert not stays_within(configuration("gptj"), 1000, FLASH)


@pytest.mark.parametrize("micro_batch", [1, 2, 3, 5])
def test_padding_and_micro_batches_change_nothing(micro_batch: int) -> None:
    model = whole_model(ModelSpec(configuration("llama")), LENGTH, 0, borders=Borders(END))
    given = rows(5)
    pieces = cut(given, micro_batch, 6)
    assert sum(int(model.predicted(piece)) for piece in pieces) == int(model.predicted(given))
    total = sum(float(model(piece)) for piece in pieces)
    assert total == pytest.approx(float(model(given)), rel=1e-6)
