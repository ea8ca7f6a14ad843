"""Uploads to the hub, with a client that records its calls."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from raycl.errors import InputError
from raycl.export.push import check_repository, push_folder


class Hub:
    """Stands in for HfApi."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._error = error

    def create_repo(self, name: str, **options: Any) -> str:
        if self._error is not None:
            raise self._error
        self.calls.append((name, options))
        return f"https://hub/{name}"

    def upload_folder(self, repo_id: str, **options: Any) -> None:
        self.calls.append((repo_id, options))


def test_the_repository_is_made_and_the_folder_uploaded(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub()
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: hub)
    assert push_folder(Path("out"), "me/model", private=True) == "https://hub/me/model"
    created, uploaded = hub.calls
    assert created == ("me/model", {"private": True, "exist_ok": True})
    assert (uploaded[0], uploaded[1]["folder_path"]) == ("me/model", Path("out"))


def test_what_the_hub_refuses_is_a_sentence_without_the_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused = RuntimeError("403 for hf_secret")
    refused.response = SimpleNamespace(status_code=403)  # type: ignore[attr-defined]
    for error, expected in (
        (refused, "the hub refused it (HTTP 403)"),
        (ConnectionError("proxy hf_secret"), "ConnectionError"),
    ):
        monkeypatch.setattr("huggingface_hub.HfApi", lambda error=error: Hub(error))
        with pytest.raises(InputError) as raised:
            push_folder(Path("out"), "me/model", private=False)
        assert raised.value.problem == expected
        assert "The folder is complete" in str(raised.value)
        assert "hf_secret" not in str(raised.value)


def test_names_and_tokens_are_checked_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(InputError, match="Write owner/name"):
        check_repository("model")
    with pytest.raises(InputError, match="there is no token for the hub"):
        check_repository("me/model")
