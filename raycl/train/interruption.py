"""What a training raises that has made room; known without torch to whoever has to tell it."""

from __future__ import annotations


class Interrupted(Exception):
    """Raised when training was asked to make room; its newest state is in storage."""
