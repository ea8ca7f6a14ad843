"""Documents of random words, written and read as corpora, for the tests of preparation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from raycl.data.prepare.documents import read_documents
from raycl.data.prepare.inputs import find_files, plan_units
from raycl.data.prepare.source import TextSource

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


def read_all(source: TextSource, unit_bytes: int = 2**25) -> list[str]:
    """All documents of a source, unit by unit."""
    units, _ = plan_units(source, find_files(source), unit_bytes)
    return [text for unit in units for text in read_documents(source, unit)]
