"""What interruptions cost on machines that are taken back, and how often to save there.

Interruptions come at random, at a constant rate for each machine. A node loses the steps since its
latest state, and its workers wait until it trains again. Machines that tell two minutes before that
they go lose less: raycl saves then, and only the restart is lost. So this is the higher bound.
"""

from __future__ import annotations

import math


def expected_waste(seconds: float, interval: float, rate: float, restart: float) -> float:
    """Seconds that interruptions add to `seconds` of training, in the mean.

    States are saved every `interval` seconds, `rate` interruptions come in a second of the node,
    and after each `restart` seconds pass until it trains again. With M = 1 / rate, the whole time
    is M · exp(restart / M) · (exp(interval / M) − 1) · seconds / interval (Daly 2006, "A higher
    order estimate of the optimum checkpoint interval for restart dumps", Future Generation Computer
    Systems 22(3), whose time for saving is a part of `seconds` here). While
    interruptions are rare this is rate · seconds · (interval / 2 + restart): each costs half an
    interval and a restart. Infinite where a node would hardly ever get to its next state.
    """
    if not rate or not seconds:
        return 0.0
    interval = min(interval, seconds)
    try:
        stretched = math.exp(rate * restart) * math.expm1(rate * interval) / (rate * interval)
    except OverflowError:
        return math.inf
    return seconds * max(0.0, stretched - 1)


def best_interval(save: float, rate: float) -> float:
    """Seconds of training between two states at which saving and repeating cost least together.

    `save` are the seconds for which training stands still for a state, `rate` the interruptions in
    a second. The higher order estimate of Daly 2006; while `save` is short this is about
    √(2 · save / rate), which is Young's ("A first order approximation to the optimum
    checkpoint interval", CACM 17(9), 1974).
    """
    mean = 1 / rate
    if save >= 2 * mean:
        return mean
    part = save / (2 * mean)
    return math.sqrt(2 * save * mean) * (1 + math.sqrt(part) / 3 + part / 9) - save
