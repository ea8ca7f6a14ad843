"""Uploads a finished folder to the Hugging Face hub; its client finds the token by itself."""

from __future__ import annotations

import re
from pathlib import Path

from raycl.errors import InputError

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def check_repository(name: str) -> None:
    """Raise InputError for what is no owner/name, and where no token is there to push with."""
    from huggingface_hub import get_token

    if not _NAME.fullmatch(name):
        raise InputError(f"--push {name!r}", "not the name of a repository", "Write owner/name")
    if get_token() is None:
        problem = "there is no token for the hub"
        raise InputError(f"--push {name}", problem, "Run `hf auth login`, or set HF_TOKEN")


def push_folder(folder: Path, name: str, private: bool) -> str:
    """Create the repository where it is missing and upload the folder; the repository's address.

    Raises InputError where the hub refuses it or cannot be reached. The folder stays as it is.
    """
    from huggingface_hub import HfApi

    hub = HfApi()
    try:
        address = hub.create_repo(name, private=private, exist_ok=True)
        hub.upload_folder(repo_id=name, folder_path=folder, commit_message="Model from raycl")
    except Exception as error:  # the hub client raises many kinds
        code = getattr(getattr(error, "response", None), "status_code", None)
        # Its messages may quote the request, and with it the token: only their kind is told.
        problem = f"the hub refused it (HTTP {code})" if code else type(error).__name__
        raise _failed(folder, name, problem) from error
    return str(address)


def _failed(folder: Path, name: str, problem: str) -> InputError:
    remedy = (
        "The folder is complete. Check the network and the rights of the token, then run: "
        f"hf upload {name} {folder}"
    )
    return InputError(f"--push {name}", problem, remedy)
