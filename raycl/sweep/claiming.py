"""Who decides which of several sweeps that share a storage trains a node."""

from __future__ import annotations

from typing import Literal, Protocol

Answer = Literal["ours", "theirs", "done"]


class Claims(Protocol):
    """What a sweep asks before it trains a node."""

    def ask(self, node: str) -> Answer:
        """Take the node if it is free: `ours`. Else another sweep trains it, or it is `done`."""

    def give_back(self, node: str) -> None:
        """Let other sweeps take the node."""


class Alone:
    """Claims for a sweep that shares its storage with no other: it may train every node."""

    def ask(self, node: str) -> Answer:  # noqa: ARG002
        """Always `ours`."""
        return "ours"

    def give_back(self, node: str) -> None:
        """Do nothing, because no other sweep waits for the node."""
