"""What a sweep says of itself to others on its cluster: whose it is, and how urgent."""

from __future__ import annotations

import getpass
import math
from dataclasses import dataclass, field

from raycl.errors import InputError

_LONGEST_OWNER = 100


def this_user() -> str:
    """The name of the user who runs this process; `unknown` where the system has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number without a name
        return "unknown"


@dataclass(frozen=True)
class QueueOptions:
    """A sweep's owner, priority and share."""

    owner: str = field(default_factory=this_user)
    priority: int = 0
    """A sweep of higher priority takes what it can use first."""
    share: float = 1.0
    """The weight among sweeps of equal priority."""

    def __post_init__(self) -> None:
        """Raise InputError for an owner without a name, or a share that is no weight."""
        check_owner(self.owner, "--owner")
        check_share(self.share, "--share")


def queue_options(owner: str | None, priority: int, share: float) -> QueueOptions:
    """The options as a command takes them; without an owner it is the user. Raises InputError."""
    return QueueOptions(this_user() if owner is None else owner, priority, share)


def check_owner(owner: str, where: str) -> None:
    """Raise InputError for a name that no table could show."""
    if not (owner.isprintable() and 0 < len(owner.strip()) == len(owner) <= _LONGEST_OWNER):
        problem = f"{owner!r} is no name"
        raise InputError(where, problem, f"Write up to {_LONGEST_OWNER} characters, such as anna")


def check_share(share: float, where: str) -> None:
    """Raise InputError for a share that is not a positive number."""
    if not (share > 0 and math.isfinite(share)):
        raise InputError(where, f"{share:g} is no weight", "Write a number above 0, such as 2")
