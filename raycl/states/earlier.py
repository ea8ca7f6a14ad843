"""States that an earlier version of raycl named: less than their whole past is in their names.

Format 1 of names said where a checkpoint lay and not what it held, and `auto` for a precision. Such
states are as good as others, but no recipe can be known to lead to them. Their names are shorter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_EARLIER = re.compile(r"(?!0{9}-)[0-9]{9,}-[0-9a-f]{32}")
"""A name of 32 digits of a hash. At step 0 it is a merge, whose name has not changed."""


def earlier_names(names: Iterable[str]) -> list[str]:
    """The names among `names` that an earlier version gave."""
    return [name for name in names if _EARLIER.fullmatch(name)]


def earlier_sentence(names: Iterable[str]) -> str | None:
    """What to tell whoever plans over the stored states `names`; None without earlier ones."""
    count = len(earlier_names(names))
    if not count:
        return None
    return (
        f"{count} states in this storage were named by an earlier version of raycl, and recipes "
        "cannot be known to lead to them: what they hold is trained again. They stay as they are, "
        "and can be evaluated, merged and exported (`raycl states` lists them)."
    )
