"""Documents of random words, for tests of preparation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

WORDS = ["the", "river", "ran", "over", "old", "stone", "while", "naïve", "birds", "你好", "sang"]


def texts(count: int, seed: int = 0) -> list[str]:
    """Documents of random words, all different."""
    generator = np.random.default_rng(seed)
    return [
        f"{seed}.{number} " + " ".join(generator.choice(WORDS, generator.integers(5, 60)))
        for number in range(count)
    ]


def write_lines(path: Path, documents: list[str]) -> Path:
    """The documents as JSON lines."""
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in documents))
    return path
