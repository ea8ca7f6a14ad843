"""Tokenizers in a storage, each in a folder that is named by its fingerprint.

Its tokenizer_config.json says how documents end and begin, a recipe's choice included, so that the
folder is complete: whoever exports a model can copy it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from raycl.data.tokenizer.definition import definition_of, parse
from raycl.data.tokenizer.files import CONFIG, DEFINITION, SPECIAL_TOKENS, TokenizerFiles, gathered
from raycl.data.tokenizer.policy import (
    CONTROL_TOKENS,
    NO_CHOICE,
    Policy,
    find_policy,
    policy_before,
)
from raycl.data.tokenizer.text_tokenizer import TextTokenizer, fingerprint_of, tokenizer_with
from raycl.errors import InputError
from raycl.storage import Storage, layout
from raycl.storage.store import json_bytes

_RESTORE = "Restore it: shards without it cannot be read as text"


def store_tokenizer(storage: Storage, tokenizer: TextTokenizer) -> str:
    """Put the tokenizer into storage, if it is not there yet; its fingerprint."""
    fingerprint = tokenizer.fingerprint
    folder = layout.tokenizer_folder(fingerprint)
    if not storage.exists(f"{folder}/{CONFIG}"):
        for name, content in _beside(tokenizer).items():
            storage.write_bytes(f"{folder}/{name}", content)
    # Written last: without it there is no tokenizer.
    if not storage.exists(layout.tokenizer(fingerprint)):
        text = json.dumps(tokenizer.definition, indent=2, ensure_ascii=False)
        storage.write_bytes(layout.tokenizer(fingerprint), text.encode())
    return fingerprint


def stored_fingerprint(storage: Storage, reference: str) -> str | None:
    """The fingerprint in a path of the storage's tokenizers; None where it is no such path."""
    room, _, rest = reference.partition("/")
    fingerprint = rest.removesuffix(f"/{DEFINITION}")
    if room != layout.TOKENIZERS or not fingerprint or "/" in fingerprint:
        return None
    return fingerprint if storage.exists(layout.tokenizer(fingerprint)) else None


def read_tokenizer(storage: Storage, fingerprint: str) -> TextTokenizer:
    """The tokenizer with which a corpus was prepared.

    Raises InputError where it is gone, or is not the one that its fingerprint names.
    """
    where = storage.full_path(layout.tokenizer(fingerprint))
    if not storage.exists(layout.tokenizer(fingerprint)):
        raise InputError(where, "the tokenizer is not in storage", _RESTORE)
    files = gathered(DEFINITION, _reader(storage, fingerprint), where)
    definition = definition_of(parse(files.definition, where))
    policy = _stored_policy(files, definition)
    # By the file's own content: another version of the library may write a definition otherwise.
    if fingerprint_of(json.loads(files.definition), policy) != fingerprint:
        raise InputError(where, "its content is not what its fingerprint names", _RESTORE)
    return tokenizer_with(files, definition, policy)


def copy_tokenizer(storage: Storage, fingerprint: str, folder: Path) -> None:
    """Write all files of a stored tokenizer into a local folder, for transformers to load.

    Raises InputError as `read_tokenizer`.
    """
    write_tokenizer(read_tokenizer(storage, fingerprint), folder)


def write_tokenizer(tokenizer: TextTokenizer, folder: Path) -> None:
    """Write all files of a tokenizer into a local folder; they name its end and its beginning."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in _beside(tokenizer).items():
        (folder / name).write_bytes(content)
    (folder / DEFINITION).write_text(tokenizer.files.definition, encoding="utf-8")


def _stored_policy(files: TokenizerFiles, definition: dict[str, Any]) -> Policy:
    if files.is_bare:  # an older version wrote it
        before = policy_before(definition)
        if before is not None:
            return before
    return find_policy(files, definition, NO_CHOICE)


def _reader(storage: Storage, fingerprint: str) -> Callable[[str], bytes | None]:
    names = set(storage.list(layout.tokenizer_folder(fingerprint)))

    def read(name: str) -> bytes | None:
        if name not in names:
            return None
        return storage.read_bytes(f"{layout.tokenizer_folder(fingerprint)}/{name}")

    return read


def _beside(tokenizer: TextTokenizer) -> dict[str, bytes]:
    """The files that lie beside tokenizer.json; they name the tokenizer's policy."""
    policy = tokenizer.policy
    named: dict[str, Any] = {"eos_token": policy.end}
    if policy.begin is not None:
        named["bos_token"] = policy.begin
    defaults = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    config = {**defaults, **tokenizer.files.config, **named}
    config["add_bos_token"] = policy.begin is not None
    config.pop(CONTROL_TOKENS, None)
    if policy.control_tokens == "tokens":
        config[CONTROL_TOKENS] = policy.control_tokens
    found = {**tokenizer.files.kept, CONFIG: json_bytes(config)}
    if SPECIAL_TOKENS in found:
        found[SPECIAL_TOKENS] = json_bytes({**tokenizer.files.special_tokens, **named})
    return found
