"""Where the repository lies, for tests that read its files or start its commands."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
PAPER = CONFIGS / "paper"
