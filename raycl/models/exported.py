"""config.json and the tokenizer's files of an exported model, as other programs expect them.

transformers 5 has new names for the type of the weights and for rotary positions. The names that
version 4 and other programs read are written beside them, with the same values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raycl.data.tokenizer.chat_template import FIELD
from raycl.data.tokenizer.files import CHAT_TEMPLATE
from raycl.models.chat import chat_templates, written_templates
from raycl.models.store import GENERATION
from raycl.storage import layout

_CONFIG = "config.json"
_PLACES = ("_name_or_path", "name_or_path", "tokenizer_file", "special_tokens_map_file")
"""Fields in which transformers keeps where a model or tokenizer lay on its author's machine."""


def finish_config(folder: Path, dtype: str, tokens: Mapping[str, int | None] | None) -> None:
    """Write the type of the weights into config.json, and the names that older programs read.

    `tokens` are the ids that end and begin a text (`eos_token_id`, `bos_token_id`), for a model
    that has none of its own: those of its class's defaults belong to another tokenizer.
    """
    config = _read(folder / _CONFIG)
    config = _with_dtype(config, dtype)
    config |= {"dtype": dtype, "torch_dtype": dtype}
    config |= _earlier_rope(config)
    _without_places(config)
    if tokens is not None:
        config |= tokens
        generation = {**_read(folder / GENERATION), **tokens}
        _write(folder / GENERATION, {n: v for n, v in generation.items() if v is not None})
    _write(folder / _CONFIG, config)


def finish_tokenizer(folder: Path, templates: Mapping[str, str] | None = None) -> None:
    """Write the chat templates where programs look, and leave out places of another machine.

    `templates`, where there are any, stand in for those of the folder's own tokenizer. Raises
    InputError where these are not readable.
    """
    path, file = folder / layout.TOKENIZER_CONFIG, folder / CHAT_TEMPLATE
    config = _read(path)
    _without_places(config)
    own = file.read_bytes() if file.exists() else None
    text, field = written_templates(templates or chat_templates(own, config, str(path)))
    file.unlink(missing_ok=True)
    if text is not None:
        file.write_text(text, encoding="utf-8")
    if field is not None:
        config[FIELD] = field
    _write(path, config)


def _with_dtype(config: dict[str, Any], dtype: str) -> dict[str, Any]:
    """The configuration with the type in every part of it that names one."""
    changed = {name: dtype for name in ("dtype", "torch_dtype") if config.get(name) is not None}
    parts = {n: _with_dtype(part, dtype) for n, part in config.items() if isinstance(part, dict)}
    return {**config, **parts, **changed}


def _earlier_rope(config: Mapping[str, Any]) -> dict[str, Any]:
    """`rope_parameters` under the names of transformers 4; nothing where there are none."""
    rope = config.get("rope_parameters")
    if not isinstance(rope, Mapping):
        return {}
    local = rope.get("sliding_attention")
    rope = rope.get("full_attention", rope)
    if "rope_theta" not in rope:
        return {}
    theta, part = rope["rope_theta"], rope.get("partial_rotary_factor")
    names = {"gpt_neox": ("rotary_emb_base", "rotary_pct")}
    base, share = names.get(str(config.get("model_type")), ("rope_theta", "partial_rotary_factor"))
    found = {base: theta} | ({share: part} if part is not None else {})
    if rope.get("rope_type", "default") != "default":
        found["rope_scaling"] = dict(rope)
    if isinstance(local, Mapping) and "rope_theta" in local:
        found["rope_local_base_freq"] = local["rope_theta"]
    return found


def _without_places(config: dict[str, Any]) -> None:
    for name in _PLACES:
        config.pop(name, None)


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def _write(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")
