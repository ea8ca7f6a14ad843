"""Requests tried again: never too often, never too long, and with an error that says so."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycl.storage.retries import GaveUpError, Retries

RETRIES = st.builds(
    Retries,
    attempts=st.integers(1, 40),
    first_seconds=st.floats(0.001, 10),
    longest_seconds=st.floats(0.001, 100),
    within_seconds=st.floats(0, 1000),
)


class TransientError(Exception):
    """Worth another try."""


@dataclass
class World:
    """A clock that moves only when somebody works or sleeps, and a die of which we choose."""

    failures: int
    share: float = 1.0
    work: float = 0.0
    error: Exception = field(default_factory=lambda: TransientError("slow down"))
    now: float = 1000.0
    calls: int = 0
    slept: list[float] = field(default_factory=list)
    ceilings: list[float] = field(default_factory=list)

    def action(self) -> str:
        self.now += self.work
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return "done"

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def uniform(self, low: float, high: float) -> float:
        assert low == 0
        self.ceilings.append(high)
        return high * self.share

    def run(self, retries: Retries) -> str:
        return retries.run(
            "s3://b/k: reading",
            self.action,
            lambda error: isinstance(error, TransientError),
            clock=lambda: self.now,
            sleep=self.sleep,
            uniform=self.uniform,
        )


@given(RETRIES, st.integers(0, 60), st.floats(0, 1), st.floats(0, 50))
def test_bounded_in_number_and_time(
    retries: Retries, failures: int, share: float, work: float
) -> None:
    world = World(failures, share, work)
    try:
        assert world.run(retries) == "done"
        assert world.calls == failures + 1
    except GaveUpError:
        assert world.calls <= failures
        spent = world.now - 1000
        assert world.calls == retries.attempts or spent + world.ceilings[-1] * share > (
            retries.within_seconds
        )
    assert world.calls <= retries.attempts
    assert len(world.slept) == max(0, world.calls - 1)
    assert world.now - 1000 <= retries.within_seconds + work + 1e-6
    for number, ceiling in enumerate(world.ceilings):
        expected = min(retries.longest_seconds, retries.first_seconds * 2**number)
        assert ceiling == pytest.approx(expected)


def test_the_error_says_how_often_how_long_and_why() -> None:
    world = World(failures=99, work=2.0)
    with pytest.raises(GaveUpError) as caught:
        world.run(Retries(attempts=3, first_seconds=1, longest_seconds=10, within_seconds=100))
    # Three times two seconds of work, and pauses of one and two seconds.
    assert str(caught.value) == (
        "s3://b/k: reading: tried 3 times in 9.0 s, the last time: slow down"
    )
    assert isinstance(caught.value.__cause__, TransientError)
    assert isinstance(caught.value, OSError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_what_is_not_transient_is_raised_at_once() -> None:
    world = World(failures=1, error=FileNotFoundError("k"))
    with pytest.raises(FileNotFoundError):
        world.run(Retries())
    assert world.calls == 1
    assert world.slept == []


def test_the_default_outlasts_half_a_minute_of_outage() -> None:
    world = World(failures=99, share=0.5)  # the jitter's mean
    with pytest.raises(GaveUpError):
        world.run(Retries())
    assert 30 < world.now - 1000 < 120
