"""What a shell offers for names of sweeps, labels, stages and states, when a user presses TAB.

Names come from a storage in a folder, or from a recipe's file. A storage in a bucket offers none,
because a TAB must not wait for a network. Nothing here ever fails or prints.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import typer

from raycl.storage import Storage, layout

_BEST = "best"
_LINE = "COMP_WORDS"
"""Where bash puts all words of the line, a line each; typer's own variables end at the cursor."""
_UNSAFE = re.compile(r"[^\w@%+=:,./-]")


class _Written(str):
    """A name with the backslashes that bash needs; typer takes it for a match as it is."""

    __slots__ = ()

    def startswith(self, *_: Any) -> bool:
        """True: the name itself was compared with what is typed, before it was written so."""
        return True


def sweep_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Sweeps of the storage."""
    return _offered(lambda: _sweeps(_storage(ctx)), incomplete)


def labels(ctx: typer.Context, incomplete: str) -> list[str]:
    """Labels of the sweep that is named, or of all in the storage, and `best`."""
    return _offered(lambda: [*_labels(ctx), _BEST], incomplete)


def states(ctx: typer.Context, incomplete: str) -> list[str]:
    """Labels, `best`, and the names of complete states."""
    return _offered(lambda: [*_labels(ctx), _BEST, *_states(_storage(ctx))], incomplete)


def nodes(ctx: typer.Context, incomplete: str) -> list[str]:
    """Nodes of the sweep that is named, or of all in the storage, as status shows them."""
    from raycl.sweep.steering.names import short_name

    return _offered(lambda: [short_name(n.name) for t in _trees(ctx) for n in t.nodes], incomplete)


def recipe_labels(ctx: typer.Context, incomplete: str) -> list[str]:
    """Labels of the recipe's own file, as its plan shows them."""
    return _offered(lambda: [variant.label for variant in _defined(ctx).variants], incomplete)


def recipe_stages(ctx: typer.Context, incomplete: str) -> list[str]:
    """Stages of the recipe's own file."""
    return _offered(lambda: [stage.name for stage in _defined(ctx).recipe.stages], incomplete)


def _offered(find: Callable[[], Iterable[str]], incomplete: str) -> list[str]:
    """The names that begin as typed, each once, as the shell needs them; none after any error."""
    try:
        found = [name for name in dict.fromkeys(find()) if name.startswith(incomplete)]
    except Exception:
        return []
    return [_Written(_UNSAFE.sub(r"\\\g<0>", name)) for name in found] if _is_bash() else found


def _is_bash() -> bool:
    """Whether bash asks, and the word has no quotation mark: then spaces need a backslash."""
    words = os.environ.get(_LINE, "").split("\n")
    position = int(os.environ.get("COMP_CWORD") or -1)
    return 0 <= position < len(words) and not words[position].startswith(("'", '"'))


def _storage(ctx: typer.Context) -> Storage:
    """The storage of the line, even behind the cursor. Raises ValueError where there is none."""
    url = ctx.params.get("storage") or os.environ.get("RAYCL_STORAGE", "")
    words = os.environ.get(_LINE, "").split("\n")
    if "--storage" in words[:-1]:
        url = words[words.index("--storage") + 1]
    folder = os.path.expanduser(url)
    if not os.path.isdir(folder):
        raise ValueError(f"no folder {folder!r}")
    return Storage(folder)


def _sweeps(storage: Storage) -> list[str]:
    from raycl.states.tree_record import stored_sweeps

    return stored_sweeps(storage)


def _trees(ctx: typer.Context) -> list[Any]:
    from raycl.states.tree_record import read_tree_record

    storage = _storage(ctx)
    named = ctx.params.get("sweep") or ctx.params.get("name")
    return [read_tree_record(storage, sweep) for sweep in ([named] if named else _sweeps(storage))]


def _labels(ctx: typer.Context) -> list[str]:
    trees = _trees(ctx)
    nodes = (label for tree in trees for node in tree.nodes for label in node.recipes)
    return [*nodes, *(merge.label for tree in trees for merge in tree.merges)]


def _states(storage: Storage) -> list[str]:
    from raycl.states.lookup import STATE_NAME, is_complete

    names = filter(STATE_NAME.fullmatch, storage.list(layout.STATES))
    return [name for name in names if is_complete(storage, name)]


def _defined(ctx: typer.Context) -> Any:
    from raycl.recipe.definition import define

    # While an option has no value yet, typer leaves arguments among the words that are left.
    recipe = Path(ctx.params["recipe"] or ctx.args[0])
    return define(recipe, ctx.params["overrides"] or (), ctx.params["scale"])
