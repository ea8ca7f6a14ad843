"""How often a worker asks whether its machine is about to be taken away."""

from __future__ import annotations

import time

import pytest

from raycl.sweep.preemption import seldom


def test_it_is_asked_once_a_second_and_the_last_answer_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, answers = 100.0, iter([False, True, True])
    monkeypatch.setattr(time, "monotonic", lambda: now)
    asked = seldom(lambda: next(answers))
    assert [asked() for _ in range(50)] == [False] * 50
    now += 1.0
    assert [asked() for _ in range(50)] == [True] * 50
    now += 0.5
    assert asked()
    assert next(answers)  # the third was not asked for
