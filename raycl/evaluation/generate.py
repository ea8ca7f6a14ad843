"""Lets a stored state continue a text, for a first look at what it has learnt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from raycl.data.tokenizer import TextTokenizer
from raycl.data.tokenizer.text_tokenizer import is_unicode
from raycl.errors import InputError
from raycl.evaluation.losses import Measure, read_state_tokenizer
from raycl.models.configuration import positions
from raycl.models.store import GENERATION, has_start
from raycl.storage import Storage, layout
from raycl.train.checkpoint.load import load_model
from raycl.train.checkpoint.stored_state import StoredState, read_state
from raycl.train.parallel.world import World, current_world


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen."""

    tokens: int = 64
    """The most that are added."""
    temperature: float = 0.0
    """0 takes the likeliest token each time; else tokens are drawn from logits / temperature."""
    seed: int = 0


def continuations(
    storage: Storage, name: str, prompts: Sequence[str], sampling: Sampling, gpu: bool = False
) -> Iterator[str]:
    """The text that the state adds to each prompt, up to an end of a document.

    A prompt is tokenised as the beginning of a training document is: behind the token that stands
    before documents, and its control tokens are plain text. Each prompt is drawn with the same
    seed. A CPU computes in float32, a GPU in the type of the state's training. Raises InputError
    where the state or its tokenizer is missing or damaged, where a prompt leaves no room in the
    model's positions, and where there is no GPU.
    """
    state, world = read_state(storage, name), _world(gpu)
    tokenizer = read_state_tokenizer(storage, state)
    _check_text(prompts)
    rows = [[tokenizer.prefix, *tokenizer.encode(prompt)] for prompt in prompts]
    _check_room(state.mark.model.config, rows, sampling.tokens)
    # Eager attention heeds what any model asks for, one token after another.
    model: Any = load_model(storage, state, 1, ("eager",)).model
    model.to(world.device, Measure.of(state, world).dtype if gpu else torch.float32).eval()
    model.config.use_cache = True
    ends = _ends(storage, state, tokenizer)
    for row in rows:
        yield _added_text(tokenizer, row, _added(model, row, ends, sampling))


def _world(gpu: bool) -> World:
    world = current_world() if gpu else World(0, 1, torch.device("cpu"))
    if gpu and world.device.type != "cuda":
        raise InputError("--gpu", "PyTorch finds no GPU here", "Leave it out")
    return world


def _check_text(prompts: Sequence[str]) -> None:
    for number, prompt in enumerate(prompts, 1):
        if not is_unicode(prompt):
            raise InputError(f"prompt {number}", "not UTF-8 text", "Write it in UTF-8")


def _check_room(config: Mapping[str, Any], rows: Sequence[Sequence[int]], tokens: int) -> None:
    found = positions(config)
    for number, row in enumerate(rows, 1):
        if found is not None and len(row) + tokens > found[1]:
            raise InputError(
                f"prompt {number}",
                f"{len(row):,} tokens and --tokens {tokens:,} are more than the model's "
                f"{found[1]:,} positions",
                "Shorten the prompt, or ask for fewer tokens",
            )


def _ends(storage: Storage, state: StoredState, tokenizer: TextTokenizer) -> list[int]:
    """The end of documents, and the tokens at which the model that training began from stopped."""
    found = {tokenizer.end}
    identifier = state.mark.model.pretrained
    if identifier is not None and has_start(storage, identifier):
        path = f"{layout.start(identifier)}/{GENERATION}"
        given = storage.read_json(path).get("eos_token_id") if storage.exists(path) else None
        listed = given if isinstance(given, list) else [given]
        found |= {token for token in listed if isinstance(token, int)}
    return sorted(found)


@torch.no_grad()
def _added(model: Any, row: Sequence[int], ends: list[int], sampling: Sampling) -> list[int]:
    """The ids that follow the row, without an end."""
    chosen: dict[str, Any] = {"do_sample": False}
    if sampling.temperature > 0:
        # Only the temperature shapes the distribution: the library would cut it to 50 tokens.
        chosen = {"do_sample": True, "temperature": sampling.temperature, "top_k": 0, "top_p": 1.0}
    ids = torch.tensor([row], device=model.device)
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(sampling.seed)
        found = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=sampling.tokens,
            eos_token_id=ends,
            pad_token_id=ends[0],
            **chosen,
        )
    added: list[int] = found[0, len(row) :].tolist()
    return added[:-1] if added and added[-1] in ends else added


def _added_text(tokenizer: TextTokenizer, row: Sequence[int], added: Sequence[int]) -> str:
    """The text of the added ids: some tokenizers write the space before a word with the word."""
    before = tokenizer.decode(row[1:])
    whole = tokenizer.decode([*row[1:], *added])
    return whole[len(before) :] if whole.startswith(before) else tokenizer.decode(added)
