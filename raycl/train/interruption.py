"""What a training raises that has made room; known without torch to whoever has to tell it."""

from __future__ import annotations

SAVED = "saved"
"""Metric of a training that makes room: the steps of the state that it has written last."""


class Interrupted(Exception):
    """Raised when training was asked to make room; its newest state is in storage."""
