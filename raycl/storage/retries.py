"""Requests that are tried again: exponential backoff with full jitter, bounded in number and time.

Written here and not taken from tenacity, whose clock a test cannot replace: with a clock of our own
for the bound in time, its use is as long as this loop.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

Result = TypeVar("Result")


class GaveUpError(OSError):
    """A request failed in every attempt; the text says how often and for how long it was tried."""


@dataclass(frozen=True)
class Retries:
    """How often and how long a request is tried. The default outlasts half a minute of outage.

    The pause after the n-th failure is uniform in [0, min(longest, first × 2^(n−1))], so that
    many workers that failed together do not come back together.
    """

    attempts: int = 12
    first_seconds: float = 0.2
    longest_seconds: float = 20.0
    within_seconds: float = 300.0
    """Seconds after the first attempt in which a further one may begin."""

    def run(
        self,
        what: str,
        action: Callable[[], Result],
        is_transient: Callable[[Exception], bool],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> Result:
        """Call `action` until it succeeds, and return its result; `what` names it in errors.

        Raises an error that is not transient at once, and GaveUpError when the last attempt failed.
        `clock`, `sleep` and `uniform` are there for tests.
        """
        began, longest = clock(), self.first_seconds
        for attempt in itertools.count(1):
            try:
                return action()
            except Exception as error:
                if not is_transient(error):
                    raise
                spent = clock() - began
                pause = uniform(0.0, min(self.longest_seconds, longest))
                if attempt >= self.attempts or spent + pause > self.within_seconds:
                    raise GaveUpError(
                        f"{what}: tried {attempt} times in {spent:.1f} s, the last time: {error}"
                    ) from error
            sleep(pause)
            longest = min(2 * longest, self.longest_seconds)
        raise AssertionError("the loop ends only by a result or an error")
