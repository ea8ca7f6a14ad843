"""Recipes changed at random: values that hurt, and characters, words and lines moved about."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

import yaml

_MARK = "a-value-that-hurts"
_VALUES = """
0|-1|1|1.5|1e300|1e400|1e-300|.inf|.nan|0100|1:00|150%|-5%|100%|0%|no|yes|~|''|[]|{}|[[]]|[1]
{a: {b: [1]}}|2023-01-01|2024-13-01|!!int foo|!!binary x|!x y|0x_|0x10|1_0|1e10|text|parent|'1 step'
1e300 tokens|5B|3k|"a\\0b"|"\\ud800"|*nope|&x [*x]|'%'|{kind: cosine}|{kind: klingon}|continue|union
{kind: infinite, max_lr: 1, constant_lr: 1}|{at: [1 steps], length: 1 steps}|{min: 1, max: 99999}
9223372036854775807|1/3|½|<<|{<<: 1}|!!python/name:os.system
"""
_HURTFUL = re.split(r"[|\n]", _VALUES.strip())
_PIECES = ["\t", ":", "- ", "[", "]", "{", "}", "#", "&a ", "*a", "!", "'", '"', "|", "%", "<<: "]
_PIECES += ["? ", "---\n", "\n", "\0", "\x07", "\ufeff", "\u2028", "é", "= ", "  "]


def mutants(recipes: list[str], seed: int, number: int) -> Iterator[str]:
    """So many changed texts of the recipes; the same ones for the same seed."""
    generator = random.Random(seed)
    trees = [yaml.safe_load(text) for text in recipes]
    for _ in range(number):
        which = generator.randrange(len(recipes))
        if generator.random() < 0.6:
            yield _changed_value(trees[which], generator)
        else:
            yield _changed_text(recipes[which], generator)


def _changed_value(tree: Any, generator: random.Random) -> str:
    """The recipe with one value, anywhere in it, replaced by one that hurts."""
    way = generator.choice([way for way in _ways(tree, ()) if way])
    text = yaml.safe_dump(_with(tree, way, _MARK), sort_keys=False, width=10**9)
    return text.replace(_MARK, generator.choice(_HURTFUL))


def _ways(tree: Any, way: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """The ways from the root to all values."""
    yield way
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from _ways(value, (*way, key))


def _with(tree: Any, way: tuple[Any, ...], value: Any) -> Any:
    """A copy of the tree with another value at the end of the way."""
    if not way:
        return value
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[way[0]] = _with(tree[way[0]], way[1:], value)
    return copy


def _changed_text(text: str, generator: random.Random) -> str:
    """The recipe with characters removed or added, a line doubled, or a word replaced."""
    for _ in range(generator.randint(1, 3)):
        place, lines = generator.randrange(len(text)), text.splitlines(keepends=True)
        change = generator.randrange(4)
        if change == 0:
            text = text[:place] + text[place + generator.randint(1, 30) :]
        elif change == 1:
            text = text[:place] + generator.choice(_PIECES) + text[place:]
        elif change == 2:
            lines.insert(generator.randrange(len(lines)), generator.choice(lines))
            text = "".join(lines)
        else:
            word = generator.choice(list(re.finditer(r"[\w.%-]+", text)))
            text = text[: word.start()] + generator.choice(_HURTFUL) + text[word.end() :]
    return text
