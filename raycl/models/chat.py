"""The chat templates of a model by name: of its own file, and of its tokenizer_config.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from raycl.data.tokenizer.chat_template import FIELD
from raycl.data.tokenizer.files import CHAT_TEMPLATE
from raycl.errors import InputError
from raycl.storage import Storage, layout

_DEFAULT = "default"
"""What transformers calls a template that was given without a name."""
_REMEDY = "Restore the file from the model's own folder"


def chat_templates(file: bytes | None, config: Mapping[str, Any], where: str) -> dict[str, str]:
    """The templates of a model, from `chat_template.jinja` and the tokenizer's configuration.

    The configuration has one template, or a list of several with names. The file is the default
    one, and comes before that of the configuration, as in transformers. Raises InputError, which
    names `where`, for what is no template.
    """
    field = config.get(FIELD)
    try:
        named: list[Any] = (
            field if isinstance(field, list) else [{"name": _DEFAULT, "template": field}]
        )
        found: dict[str, str] = {e["name"]: e["template"] for e in named if field is not None}
        if file is not None:
            found[_DEFAULT] = file.decode()
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            where, f"its chat template is not readable ({error!r})", _REMEDY
        ) from error
    if not all(isinstance(part, str) for entry in found.items() for part in entry):
        raise InputError(where, "its chat template is no text", _REMEDY)
    return found


def stored_templates(storage: Storage, identifier: str) -> dict[str, str]:
    """The templates of a pretrained model in the storage. Raises InputError."""
    folder = layout.start(identifier)
    path = f"{folder}/{layout.TOKENIZER_CONFIG}"
    where, data = storage.full_path(path), _content(storage, path)
    try:
        config = json.loads(data or b"{}")
    except ValueError as error:
        raise InputError(where, f"not readable ({error})", _REMEDY) from error
    if not isinstance(config, dict):
        raise InputError(where, "not readable (not a JSON object)", _REMEDY)
    return chat_templates(_content(storage, f"{folder}/{CHAT_TEMPLATE}"), config, where)


def written_templates(templates: Mapping[str, str]) -> tuple[str | None, Any]:
    """What the file holds, and what the configuration's field holds; None for neither.

    One template stands in both, for programs that read either. Several stand in the configuration
    alone: transformers would take a file beside it for the only one.
    """
    if list(templates) == [_DEFAULT]:
        return templates[_DEFAULT], templates[_DEFAULT]
    return None, [{"name": n, "template": text} for n, text in templates.items()] or None


def _content(storage: Storage, path: str) -> bytes | None:
    return storage.read_bytes(path) if storage.exists(path) else None
