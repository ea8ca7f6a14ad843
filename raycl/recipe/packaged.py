"""The recipes that come with raycl, and how the word RECIPE of a command finds one.

They lie in `configs/` of the repository, which an installed raycl holds as `raycl/configs`.
"""

from __future__ import annotations

import difflib
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from raycl.errors import InputError

_LONGEST_NEAR = 100
"""Comparing takes time that grows with the square of the length."""
_SENTENCE = re.compile(r"(?<=[.?!])\s+(?=[A-Z])")


@dataclass(frozen=True)
class FoundRecipe:
    """A recipe's file, and what errors and results call it: the path given, or the whole name."""

    file: Path
    where: str

    @property
    def is_named(self) -> bool:
        """Whether it is one of raycl's own, which every raycl finds by this name."""
        return self.where != str(self.file)


def recipe_folder() -> Path:
    """The folder of raycl's own recipes: in the package, or beside it in the repository."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def recipe_names() -> list[str]:
    """The names of raycl's own recipes: `quickstart`, `paper/e5-replay-weak` and so on."""
    folder = recipe_folder()
    files = sorted(folder.rglob("*.yaml"), key=lambda file: (file.parent, by_number(file.stem)))
    return [file.relative_to(folder).with_suffix("").as_posix() for file in files]


def recipe_file(name: str) -> Path:
    """The file of one of raycl's own recipes, by its whole name."""
    return recipe_folder() / f"{name}.yaml"


def recipe_summary(name: str) -> str:
    """The first sentence of the comment that one of raycl's own recipes begins with."""
    words: list[str] = []
    for line in recipe_file(name).read_text(encoding="utf-8").splitlines():
        if not line.startswith("# "):
            break
        words.append(line[2:])
    return _SENTENCE.split(" ".join(words))[0]


def find_recipe(path: Path) -> FoundRecipe:
    """A recipe's file, by its path or by a name of raycl's own recipes.

    A file wins over a name. A name may be short where only one recipe begins with it: `paper/e5`
    and `e5` are `paper/e5-replay-weak`. Raises InputError where it is neither.
    """
    if _is_there(path):
        return FoundRecipe(path, str(path))
    word, known = path.as_posix(), recipe_names()
    found = [word] if word in known else [name for name in known if _is_short_for(word, name)]
    if len(found) == 1:
        return FoundRecipe(recipe_file(found[0]), found[0])
    if found:
        raise InputError(word, "several recipes of raycl begin so", f"Give {', '.join(found)}")
    if path.is_dir():  # reading it says that a file is wanted
        return FoundRecipe(path, str(path))
    raise InputError(
        word, "no such file, and raycl has no recipe of this name", _remedy(path, known)
    )


def by_number(stem: str) -> tuple[str, int, str]:
    """A key that sorts e2 before e10."""
    head = stem.partition("-")[0]
    return head[:1], int(head[1:]) if head[1:].isdigit() else 0, stem


def _is_there(path: Path) -> bool:
    """Whether there is a file. One that cannot be looked at counts: reading it says why."""
    try:
        return not stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return True


def _is_short_for(word: str, name: str) -> bool:
    """Whether a name, or its last part, begins with a word that ends where a part of it does."""
    wholes = (name, name.rpartition("/")[2])
    return any(whole.startswith((f"{word}-", f"{word}/")) or whole == word for whole in wholes)


def _remedy(path: Path, known: Sequence[str]) -> str:
    """What to give instead: the nearest name, and the names beside it."""
    last = {name.rpartition("/")[2]: name for name in known}
    near = difflib.get_close_matches(path.stem[:_LONGEST_NEAR], last, n=1, cutoff=0.5)
    meant = f"Did you mean {last[near[0]]!r}? " if near else ""
    inner = [name for name in known if Path(name).parent == path.parent]
    beside = ", ".join(inner or [name for name in known if "/" not in name])
    return f"{meant}Give the path of a YAML file, or a name: {beside}; `raycl recipes` lists all"
