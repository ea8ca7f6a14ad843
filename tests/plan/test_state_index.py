"""States on a chain among many others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from raycl.plan.state_index import StateIndex

STEPS = st.integers(0, 30)


class Named:
    """A chain whose states are named by a letter."""

    def __init__(self, letter: str) -> None:
        self.letter = letter

    def name(self, step: int) -> str:
        return f"{step:09d}-{self.letter}"


NAMES = st.builds(lambda step, letter: Named(letter).name(step), STEPS, st.sampled_from("abc"))
STRANGERS = st.sampled_from(["", "a", ".tmp-1", "-3-a", "\u0663-a", "1", "3-a"])


@given(st.lists(st.one_of(NAMES, STRANGERS)), STEPS, st.integers(-1, 30))
def test_all_states_of_a_chain_between_two_steps(names: list[str], stop: int, above: int) -> None:
    chain = Named("a")
    expected = [step for step in range(stop, above, -1) if chain.name(step) in names]
    found = list(StateIndex(names).along(chain, stop, above))
    assert found == [(step, chain.name(step)) for step in expected]


def test_a_chain_is_asked_once_for_each_step() -> None:
    asked: list[int] = []

    class Counting(Named):
        def name(self, step: int) -> str:
            asked.append(step)
            return super().name(step)

    index = StateIndex(Named(letter).name(step) for letter in "bcdefgh" for step in (3, 5))
    assert list(index.along(Counting("a"), 9)) == []
    assert asked == [5, 3]
