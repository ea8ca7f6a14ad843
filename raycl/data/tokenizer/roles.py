"""Control tokens of one tokenizer, and those of another that had their place."""

from __future__ import annotations

from collections.abc import Mapping

from raycl.data.tokenizer.control import control_tokens
from raycl.data.tokenizer.definition import token_ids, unknown_token
from raycl.data.tokenizer.policy import named_token
from raycl.data.tokenizer.text_tokenizer import TextTokenizer

_INSTEAD = ("bos", "pad")
"""Roles in which the end of documents stands where a tokenizer has no token for them."""


def all_control_tokens(tokenizer: TextTokenizer) -> frozenset[str]:
    """Texts of all control tokens, also where a recipe lets text become them."""
    return control_tokens(tokenizer.files, tokenizer.definition, tokenizer.policy)


def roles(tokenizer: TextTokenizer) -> dict[str, str]:
    """Texts of the tokens that end (`eos`) and begin (`bos`) documents, pad, and are unknown.

    A role that no token has is left out.
    """
    files, definition, policy = tokenizer.files, tokenizer.definition, tokenizer.policy
    found = {
        "eos": policy.end,
        "bos": policy.begin or named_token(files, definition, "bos_token"),
        "pad": named_token(files, definition, "pad_token"),
        "unk": named_token(files, definition, "unk_token") or unknown_token(definition),
    }
    return {role: token for role, token in found.items() if token is not None}


def counterparts(old: TextTokenizer, new: TextTokenizer) -> dict[int, tuple[int, ...]]:
    """For ids of control tokens of `new`, the one of `old` with the same text, else the same role.

    A role that `old` gives to no token has its end of documents (`bos`, `pad`) or nothing (`unk`).
    Control tokens with neither are left out.
    """
    same, of_new, of_old = all_control_tokens(old), token_ids(new.definition), _ids(old)
    by_role = roles(old)
    found: dict[int, tuple[int, ...]] = {}
    for role, token in roles(new).items():
        there = by_role.get(role, old.policy.end if role in _INSTEAD else None)
        found.setdefault(of_new[token], () if there is None else (of_old[there],))
    for token in all_control_tokens(new) & same:
        found[of_new[token]] = (of_old[token],)
    return found


def _ids(tokenizer: TextTokenizer) -> Mapping[str, int]:
    return token_ids(tokenizer.definition)
