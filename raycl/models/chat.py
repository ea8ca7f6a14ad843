"""The chat template of a pretrained model in the storage."""

from __future__ import annotations

import json
from typing import Any

from raycl.data.tokenizer.files import CHAT_TEMPLATE
from raycl.errors import InputError
from raycl.storage import Storage, layout

_FIELD = "chat_template"
_DEFAULT = "default"


def chat_template(storage: Storage, identifier: str) -> str:
    """The model's template, from its file or its tokenizer_config.json; empty where it has none.

    Raises InputError where that file is damaged.
    """
    folder = layout.start(identifier)
    if storage.exists(f"{folder}/{CHAT_TEMPLATE}"):
        return storage.read_bytes(f"{folder}/{CHAT_TEMPLATE}").decode()
    path = f"{folder}/{layout.TOKENIZER_CONFIG}"
    if not storage.exists(path):
        return ""
    try:
        return _text(json.loads(storage.read_bytes(path)).get(_FIELD))
    except (ValueError, AttributeError) as error:
        remedy = "Restore the file from the model's own folder"
        raise InputError(storage.full_path(path), f"not readable ({error})", remedy) from error


def _text(found: Any) -> str:
    """The template; of several with names, the default one."""
    if isinstance(found, list):
        named = {entry["name"]: entry["template"] for entry in found}
        found = named.get(_DEFAULT)
    return found if isinstance(found, str) else ""
