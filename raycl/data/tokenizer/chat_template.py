"""A model's chat template beside its new tokenizer, where that has none and can write it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from raycl.data.tokenizer.files import CHAT_TEMPLATE, CONFIG, TokenizerFiles
from raycl.data.tokenizer.roles import all_control_tokens, roles
from raycl.data.tokenizer.text_tokenizer import TextTokenizer
from raycl.storage.store import json_bytes

FIELD = "chat_template"
"""The field of tokenizer_config.json that has one template, or a list of several with names."""
_NAMED = re.compile(r"\b(bos|eos|pad|unk)_token\b")


def with_chat_template(
    old: TextTokenizer, new: TextTokenizer
) -> tuple[TextTokenizer, tuple[str, ...]]:
    """The tokenizer `new` with the chat template of `old`, and what is to be told of it.

    A template stays where `new` has none and has every control token that it writes.
    """
    template = _template(old.files)
    if not template or _template(new.files):
        return new, ()
    missing = _missing(template, old, new)
    if missing:
        words = ", ".join(map(repr, missing))
        told = f"the model's chat template is left out: the new tokenizer has no {words}"
        return new, (told,)
    return replace(new, files=_with(new.files, old.files)), ("the model's chat template stays",)


def _template(files: TokenizerFiles) -> str:
    """The text of all templates."""
    file = files.kept.get(CHAT_TEMPLATE, b"").decode("utf-8", "replace")
    field: Any = files.config.get(FIELD)
    named = field if isinstance(field, list) else [{"template": field}]
    texts = (entry.get("template") for entry in named if isinstance(entry, dict))
    return file + "".join(text for text in texts if isinstance(text, str))


def _missing(template: str, old: TextTokenizer, new: TextTokenizer) -> list[str]:
    """The control tokens of a template that `new` lacks, or the names of those without a text."""
    there = all_control_tokens(new)
    written = [t for t in all_control_tokens(old) if t in template and t not in there]
    named = dict.fromkeys(f"{role}_token" for role in _NAMED.findall(template))
    known = {f"{role}_token" for role in roles(new)}
    return [*sorted(written), *(name for name in named if name not in known)]


def _with(new: TokenizerFiles, old: TokenizerFiles) -> TokenizerFiles:
    """The files of `new` with the template of `old`, in the form that it has there."""
    beside = dict(new.beside)
    if CHAT_TEMPLATE in old.kept:
        beside[CHAT_TEMPLATE] = old.kept[CHAT_TEMPLATE]
    if old.config.get(FIELD):
        beside[CONFIG] = json_bytes({**new.config, FIELD: old.config[FIELD]})
    return replace(new, beside=tuple(beside.items()))
