"""The trackers by name: what each needs, and how it is opened."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from raycl.errors import InputError
from raycl.libraries import how_to_install
from raycl.plan.configuration import Configuration
from raycl.recipe.sweep_plan import SweepPlan
from raycl.storage import Storage
from raycl.sweep.tracking.aim import aim, check_aim
from raycl.sweep.tracking.mlflow import check_mlflow, mlflow
from raycl.sweep.tracking.tracker import Place, Tracker
from raycl.sweep.tracking.wandb import check_wandb, wandb


def _tensorboard(settings: Configuration, place: Place) -> Tracker:
    # Imported here: tensorboardX takes its time, and planning needs the names alone.
    from raycl.sweep.tracking.tensorboard import tensorboard

    return tensorboard(settings, place)


def _anywhere(_settings: Configuration, _storage: Storage) -> None:
    return


@dataclass(frozen=True)
class Kind:
    """A tracker that recipes can name."""

    open: Callable[[Configuration, Place], Tracker]
    """Opens it with its settings. It is called in a cluster's job, and does not wait for anybody:
    a library that takes long is imported with the first run."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """What it needs, by the name under which it is imported, as it is installed."""
    check: Callable[[Configuration, Storage], None] = _anywhere
    """Raises InputError where it cannot work with its settings, before a cluster starts."""


_MLFLOW = {"mlflow": "mlflow-skinny", "sqlalchemy": "sqlalchemy", "alembic": "alembic"}
TRACKERS: dict[str, Kind] = {
    "tensorboard": Kind(_tensorboard),
    "mlflow": Kind(mlflow, _MLFLOW, check_mlflow),
    "wandb": Kind(wandb, {"wandb": "wandb"}, check_wandb),
    "aim": Kind(aim, {"aim": "aim"}, check_aim),
}


def open_tracker(name: str, settings: Configuration, place: Place) -> Tracker:
    """The tracker of this name."""
    return TRACKERS[name].open(settings, place)


def check_trackers_of(plan: SweepPlan, storage: Storage) -> None:
    """Raise InputError where a tracker of one of the sweeps cannot work here."""
    for sweep in plan.sweeps:
        check_trackers(sweep.definition.recipe.trackers.used, storage)


def check_trackers(used: Mapping[str, Configuration], storage: Storage) -> None:
    """Raise InputError where a library is missing, or a tracker cannot work with its settings."""
    for name, settings in used.items():
        kind = TRACKERS[name]
        missing = [package for module, package in kind.packages.items() if not _is_there(module)]
        if missing:
            raise InputError(
                f"trackers.{name}",
                f"it needs {', '.join(missing)}, not installed here",
                f"Run {how_to_install(*missing)}, or leave this tracker out",
            )
        kind.check(settings, storage)


def _is_there(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
