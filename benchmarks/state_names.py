"""Prints the names of all states of the paper's recipes and the quickstart, at full and tiny size.

A state's name is a promise: later versions of raycl find the state by it. So a change of the code
that is not meant to change the meaning of a step must not change any name.

    python -m benchmarks.state_names            # a digest for each recipe file and size
    python -m benchmarks.state_names --all      # every name, to compare two versions line by line

No corpus is prepared for this, so the names are those of a plan without a storage.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from raycl.recipe.definition import corpus_facts, define, make_tree

CONFIGS = Path(__file__).parent.parent / "configs"


def recipe_files() -> list[tuple[Path, str | None]]:
    """The quickstart, and the paper's recipes at both sizes."""
    paper = sorted((CONFIGS / "paper").glob("*.yaml"))
    return [
        (CONFIGS / "quickstart.yaml", None),
        *((path, scale) for path in paper for scale in (None, "tiny")),
    ]


def state_names(path: Path, scale: str | None) -> Iterator[str]:
    """A line for each node of a recipe file's tree: its recipes, first state and end state."""
    definition = define(path, (), scale)
    tree = make_tree(definition, corpus_facts(definition, None))
    for node in tree.nodes:
        first = node.training.chain.name(node.training.start)
        yield f"{' | '.join(node.recipes)}: {first} -> {node.name}"


def digest(path: Path, scale: str | None) -> str:
    """The number of nodes of a recipe file's tree, and a hash of all their lines."""
    lines = sorted(state_names(path, scale))
    return f"{len(lines)} {hashlib.sha256(chr(10).join(lines).encode()).hexdigest()[:32]}"


def digests() -> dict[str, str]:
    """The digest of every recipe file at every size."""
    return {f"{path.stem} {scale or 'full'}": digest(path, scale) for path, scale in recipe_files()}


def main() -> None:
    """Print digests, or every name."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--all", action="store_true", help="print every name")
    if not parser.parse_args().all:
        print(json.dumps(digests(), indent=1))
        return
    for path, scale in recipe_files():
        for line in state_names(path, scale):
            print(f"{path.stem} {scale or 'full'} {line}")


if __name__ == "__main__":
    main()
