"""Lets a package be called by its name: `raycl.plan(recipe)` beside `import raycl.plan.tree`.

The rooms `plan` and `sweep` are called as the two functions of the public face are, and importing
one of them makes it an attribute of `raycl`. So calling the package calls the function.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _CallableRoom(ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call the function of `raycl.api` that has the package's name."""
        # By name: the public face is above all rooms, and most who import a room do not need it.
        function = getattr(import_module("raycl.api"), self.__name__.rpartition(".")[2])
        return function(*arguments, **options)

    def __reduce__(self) -> tuple[Any, ...]:
        return import_module, (self.__name__,)


def make_callable(name: str) -> None:
    """Let the package `name`, which is being imported, be called."""
    sys.modules[name].__class__ = _CallableRoom
