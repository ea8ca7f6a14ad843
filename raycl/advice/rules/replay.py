"""The replay share beyond which nothing is gained."""

from __future__ import annotations

import math

from raycl.advice.advice import Point
from raycl.advice.choice import Choice
from raycl.advice.noise import difference, is_about_as_good
from raycl.advice.setting import REPLAY, Setting, line_through
from raycl.advice.words import interval_text, number_text
from raycl.results.metrics import final_loss, forgetting, own_sides
from raycl.results.report.number_text import share_text


def replay_points(choice: Choice) -> list[Point]:
    """From which share on more replay buys nothing beyond noise, and what that share costs."""
    line = line_through(choice.ranked, REPLAY, choice.chosen)
    if not line:
        return []
    enough, goal = enough_replay(line, choice), choice.goal
    share, most = share_text(enough.replay), line[-1]
    if enough is most:
        before = difference(most, line[-2], goal)
        better = "it is still better than" if before.is_clear else "its number is better than with"
        text = (
            f"{share} is the most that was tried, and {better} {share_text(line[-2].replay)} "
            f"({goal.name} {interval_text(before.interval, signed=True)}): "
            "where replay stops to help is not known yet."
        )
        title = "More replay may still help"
    else:
        more = difference(most, enough, goal).interval
        text = (
            f"From {share} on, more replay gains nothing beyond noise: {share_text(most.replay)} "
            f"changes the {goal.name} by {interval_text(more, signed=True)}."
        )
        title = f"Replay beyond {share} gains nothing"
    return [Point("replay", title, " ".join(filter(None, (text, _bought(line[0], enough)))))]


def enough_replay(line: list[Setting], choice: Choice) -> Setting:
    """The least share of a line than which no share is better beyond noise; see `choose`."""
    best = min(line, key=lambda setting: choice.goal.sign * setting.mean)
    return next(setting for setting in line if is_about_as_good(setting, best, choice.goal))


def _bought(bare: Setting, enough: Setting) -> str:
    """What the share takes away of the forgetting, and what it costs on new data."""
    if bare is enough:
        return "No more than the least share is needed."
    sides = own_sides(enough.example)
    before, after = (setting.side(forgetting, sides.old) for setting in (bare, enough))
    cost = enough.side(final_loss, sides.new) - bare.side(final_loss, sides.new)
    if math.isnan(cost + before + after) or enough.replay >= 1:
        return ""
    price = f"{'costs' if cost > 0 else 'gains'} {number_text(abs(cost))} on new data"
    if number_text(cost) == "0.00":
        price = "costs nothing that is measured on new data"
    tokens = share_text(enough.replay / (1 - enough.replay))
    return (
        f"Against {share_text(bare.replay)}, {share_text(enough.replay)} moves forgetting from "
        f"{number_text(before, signed=True)} to {number_text(after, signed=True)} nats/token and "
        f"{price}, at the same number of tokens. To read as much new text takes {tokens} more."
    )
