"""Which recipes belong together: swept ones, branches with their trunk, those on one line."""

from __future__ import annotations

from collections.abc import Sequence

from raycl.results.outcome import RecipeOutcome, StageFact


def last_stage(outcome: RecipeOutcome) -> StageFact:
    """The last stage, which is what sweeps vary; an empty one where the recipe has none."""
    return outcome.stages[-1] if outcome.stages else StageFact("", 0, 0, 0, ())


def swept(outcomes: Sequence[RecipeOutcome]) -> list[RecipeOutcome]:
    """The recipes of the sweep itself: neither baselines nor annealed branches."""
    return [outcome for outcome in outcomes if outcome.kind == "sweep"]


def trunk(branch: RecipeOutcome, outcomes: Sequence[RecipeOutcome]) -> RecipeOutcome | None:
    """The recipe that an annealed branch was taken from; None where it is not in `outcomes`."""
    if branch.branch is None:
        return None
    label = branch.branch.trunk
    return next((outcome for outcome in swept(outcomes) if outcome.label == label), None)


def replay_groups(outcomes: Sequence[RecipeOutcome]) -> list[list[RecipeOutcome]]:
    """Swept recipes that differ in replay only, by rising share; the largest group first."""
    groups: dict[object, list[RecipeOutcome]] = {}
    for outcome in swept(outcomes):
        other = {k: str(v) for k, v in outcome.fields.items() if not k.endswith("replay")}
        key = (last_stage(outcome).max_lr, tuple(sorted(other.items())))
        groups.setdefault(key, []).append(outcome)
    by_size = sorted(groups.values(), key=lambda group: -len(group))
    return [sorted(group, key=lambda o: last_stage(o).replay_share) for group in by_size]


def rate_groups(outcomes: Sequence[RecipeOutcome]) -> list[list[RecipeOutcome]]:
    """Swept recipes that differ in their max learning rate only, by rising rate; largest first.

    Every group has two rates or more. Recipes with another kind of schedule form another group.
    """
    about_rate = ("replay", "max_lr", "min_lr", "schedule", "kind")
    groups: dict[object, list[RecipeOutcome]] = {}
    for outcome in swept(outcomes):
        if not last_stage(outcome).max_lr:
            continue
        other = {k: str(v) for k, v in outcome.fields.items() if not k.endswith(about_rate)}
        last = last_stage(outcome)
        key = (last.replay_share, last.schedule, tuple(sorted(other.items())))
        groups.setdefault(key, []).append(outcome)
    risen = [sorted(group, key=lambda o: last_stage(o).max_lr or 0.0) for group in groups.values()]
    several = [g for g in risen if last_stage(g[0]).max_lr != last_stage(g[-1]).max_lr]
    return sorted(several, key=lambda group: -len(group))
