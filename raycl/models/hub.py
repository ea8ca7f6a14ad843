"""A model of the Hugging Face hub as a local folder. Pickles are never downloaded."""

from __future__ import annotations

import re
from pathlib import Path

from raycl.errors import InputError

_NAME = re.compile(r"[\w][\w.-]*(/[\w][\w.-]*)?(@[\w./-]+)?")
_PATTERNS = ["*.json", "*.safetensors", "tokenizer.model", "*.txt", "*.jinja"]


def is_hub_name(reference: str) -> bool:
    """Whether a reference can be the name of a model on the hub: `owner/model` or `model@v1`."""
    return _NAME.fullmatch(reference) is not None and ".." not in reference


def snapshot(reference: str, where: str) -> tuple[Path, str]:
    """The local folder of a hub's model, and its commit. `where` names the field in errors.

    `owner/model@revision` takes a branch, tag or commit. Raises InputError where there is none.
    """
    from huggingface_hub import snapshot_download

    name, _, revision = reference.partition("@")
    try:
        folder = Path(snapshot_download(name, revision=revision or None, allow_patterns=_PATTERNS))
    except Exception as error:  # the hub client raises many kinds
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            where,
            f"neither a folder here nor a model that the hub gives ({line})",
            "Correct the path or the name; a relative path begins where the command runs",
        ) from error
    return folder, folder.name
