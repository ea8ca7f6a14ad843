"""raycl: continual pre-training of language models, and the sweeps that find how.

The public face, for notebooks and programs (docs/python.md): `plan`, `sweep`, `load`, what they
return, and the errors. Everything else may change from version to version.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from raycl.errors import InputError
from raycl.version import VERSION

if TYPE_CHECKING:
    from raycl.api import Bill, Model, Plan, Runs, SweepFailed, load, plan, sweep

__version__ = VERSION
__all__ = ["Bill", "InputError", "Model", "Plan", "Runs", "SweepFailed", "load", "plan", "sweep"]


if not TYPE_CHECKING:  # type checkers know what is imported above, and nothing else

    def __getattr__(name: str) -> Any:
        # Imported when it is asked for: `import raycl` takes no part of pandas, torch or Ray.
        if name not in __all__:
            raise AttributeError(f"module 'raycl' has no attribute {name!r}")
        return getattr(import_module("raycl.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
