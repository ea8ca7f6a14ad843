"""Recipe files that YAML cannot read, or reads as something else than was meant."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from tests.helpers.workspace import recipe
from tests.malformed.case import Malformed

_TEXT = yaml.safe_dump(recipe(), sort_keys=False)


def _text(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "recipe.yaml").write_text(text, encoding="utf-8")


def _bytes(data: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / "recipe.yaml").write_bytes(data)


def _line(old: str, new: str) -> Callable[[Path], object]:
    assert old in _TEXT
    return _text(_TEXT.replace(old, new, 1))


def malformed_yaml() -> Iterator[Malformed]:
    """All of them."""
    yield from _files()
    yield from _syntax()
    yield from _values()
    yield from _keys()
    yield from _shapes()


def _files() -> Iterator[Malformed]:
    def replaced(make: Callable[[Path], object]) -> Callable[[Path], object]:
        def change(folder: Path) -> None:
            (folder / "recipe.yaml").unlink()
            make(folder / "recipe.yaml")

        return change

    yield Malformed("no file", replaced(lambda _: None), ("recipe.yaml",))
    yield Malformed("a folder", replaced(Path.mkdir), ("recipe.yaml",))
    yield Malformed("a named pipe", replaced(os.mkfifo), ("recipe.yaml",))
    yield Malformed(
        "a link to itself", replaced(lambda file: file.symlink_to(file)), ("recipe.yaml",)
    )
    yield Malformed(
        "a link to nowhere", replaced(lambda file: file.symlink_to("nowhere")), ("recipe.yaml",)
    )
    yield Malformed("empty", _text(""), ("recipe.yaml",))
    yield Malformed("only a comment", _text("# name: small\n"), ("recipe.yaml",))
    yield Malformed("binary", _bytes(bytes(range(256))), ("recipe.yaml",))
    yield Malformed("a NUL byte", _bytes(b"name: sm\0all\n"), ("recipe.yaml",))
    yield Malformed("Latin-1", _bytes(_TEXT.encode() + "# größer\n".encode("latin-1")), ("utf-8",))
    yield Malformed("cut in a character", _bytes("name: größer".encode()[:-4]), ("recipe.yaml",))
    yield Malformed("JSON that ends early", _text('{"name": "small", '), ("recipe.yaml",))


def _syntax() -> Iterator[Malformed]:
    for name, text in {
        "a tab": "name: small\n\tseed: 1\n",
        "an open bracket": "name: [small\n",
        "an open quote": 'name: "small\n',
        "two colons": "name: a: b\n",
        "a wrong indent": "model:\n  preset: x\n   config: {}\n",
        "an unknown alias": "name: *small\n",
        "a tag of Python": "name: !!python/object/apply:os.system [id]\n",
        "an unknown tag": "name: !klingon small\n",
        "two documents": "name: small\n---\nname: other\n",
        "a bad directive": "%YAML 9.9\n---\nname: small\n",
        "a percent sign first": "name: %small\n",
        "an at sign first": "name: @small\n",
    }.items():
        yield Malformed(name, _text(text), ("recipe.yaml",))


def _values() -> Iterator[Malformed]:
    for name, value in {
        "no date": "2024-13-01",
        "a date": "2024-12-01",
        "no int": "!!int foo",
        "no float": "!!float foo",
        "no bool": "!!bool foo",
        "no binary": "!!binary '*'",
        "no timestamp": "!!timestamp foo",
        "no digits": "0x_",
        "octal": "010",
        "sexagesimal": "1:30",
        "5,000 digits": "9" * 5_000,
        "infinite": ".inf",
        "not a number": ".nan",
        "a word that is a truth": "yes",
        "a set": "!!set {a, b}",
        "ordered pairs": "!!omap [a: 1]",
        "null": "~",
    }.items():
        line = 1 + _TEXT[: _TEXT.index("sequence_length")].count("\n")
        change = _line("sequence_length: 16", f"sequence_length: {value}")
        yield Malformed(f"sequence_length: {name}", change, (f"recipe.yaml:{line}:",))
        change = _text(f"seed: {value if name != 'null' else '[]'}\n{_TEXT}")
        yield Malformed(f"seed: {name}", change, ("recipe.yaml:1:",))


def _keys() -> Iterator[Malformed]:
    twice = {
        "name": ("name: small", "name: small\nname: other"),
        "a corpus": ("  new:\n", "  old: {text: text/new.jsonl}\n  new:\n"),
        "a field of a stage": ("  steps: 4", "  steps: 4\n  steps: 5"),
        "a field of the model": ("hidden_size: 16", "hidden_size: 16\n    hidden_size: 32"),
        "sweep": ("validation:\n", "sweep: {seed: [1]}\nsweep: {seed: [2]}\nvalidation:\n"),
        "an axis": ("validation:\n  rows", "sweep: {seed: [1], seed: [2]}\nvalidation:\n  rows"),
    }
    for name, (old, new) in twice.items():
        yield Malformed(f"{name} twice", _line(old, new), ("line",))
    for key in ("no", "2023", "1.5", "~", "2024-12-01", "[a]", "{a: b}", "on", "0x10", "? a"):
        change = _line("  old:\n", f"  {key}:\n")
        yield Malformed(f"a corpus called {key}", change, ("recipe.yaml",))
        change = _line("    model_type: llama", f"    model_type: llama\n    {key}: 1")
        yield Malformed(f"a field of the model called {key}", change, ("recipe.yaml",))


def _shapes() -> Iterator[Malformed]:
    bomb = "".join(
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9) if level else 'x'}]\n"
        for level in range(9)
    )
    for name, text in {
        "a list": "- name: small\n",
        "a number": "7\n",
        "text": "small\n",
        "a bomb of aliases": bomb + _TEXT,
        "a bomb in the model": f"{bomb}{_TEXT}".replace("model:", "model: *a8\nmodle:", 1),
        "a list 1,000 deep": "seed: " + "[" * 1_000 + "]" * 1_000 + "\n" + _TEXT,
        "a mapping 1,000 deep": "seed: " + "{a: " * 1_000 + "1" + "}" * 1_000 + "\n" + _TEXT,
        "100,000 brackets": "[" * 100_000,
        "a cycle": _TEXT.replace("  config:\n", "  config: &c\n    own: *c\n", 1),
        "a cycle of lists": "seed: &s [*s]\n" + _TEXT,
        "a merge that is no mapping": "<<: 7\n" + _TEXT,
        "a key of 100 kB": "k" * 100_000 + ": 1\n" + _TEXT,
        "a value of 100 kB": _TEXT.replace("name: small", f"name: {'n' * 100_000}", 1),
    }.items():
        yield Malformed(name, _text(text), ("recipe.yaml",))
