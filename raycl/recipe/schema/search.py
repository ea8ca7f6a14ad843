"""How a search proposes the recipes of a sweep, by which numbers, and when it ends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from raycl.errors import FieldError, shown
from raycl.plan.configuration import Configuration
from raycl.plan.frozen import FrozenDict
from raycl.recipe.schema.common import FrozenMapping, Text, or_shorter
from raycl.units import Count, Length, PhaseLength, Real

GRID = "grid"
"""The sampler that proposes all combinations of lists, in the order of a plain grid."""
SAMPLERS = ("random", "tpe", "nsga2", "gp", GRID)
"""Samplers by their names; `tune:NAME` is a searcher of Ray Tune."""
TUNE = "tune:"
AVERAGE = "average"
TASKS = "task/"
MOST_TRIALS = 10_000
_LIMITED = re.compile(r"(?P<task>.+) \((?P<limit>[1-9][0-9]*) questions\)")
_MOST_GOALS = 6
_MOST_REDUCTION = 100


class Budget(Configuration):
    """What the recipes that a search proposes may take in all; it ends with the first one spent."""

    tokens: Count | None = Field(
        default=None, gt=0, description="tokens that are trained: what storage holds costs nothing"
    )
    hours: Real | None = Field(
        default=None, gt=0, description="hours of this command, waiting included"
    )
    dollars: Real | None = Field(
        default=None, gt=0, description="by the prices that are given with --prices"
    )

    @model_validator(mode="after")
    def _says_something(self) -> Budget:
        if self.tokens is None and self.hours is None and self.dollars is None:
            raise FieldError("search.budget is empty", "Give tokens, hours or dollars")
        return self


class EarlyStopping(Configuration):
    """Poor recipes wait at a part of a stage, and the best ones go on."""

    kind: Literal["asha", "hyperband"] = Field(
        default="asha", description="how it is decided who goes on"
    )
    stage: str = Field(description="name of the stage in which recipes wait")
    first: PhaseLength = Field(
        default=Length(Fraction(1, 10), "fraction"),
        description="the part of the stage after which recipes are compared first",
    )
    factor: Count = Field(
        default=3,
        ge=2,
        le=_MOST_REDUCTION,
        description="one of so many goes on, to so many times as long a part of the stage",
    )
    metric: Text = Field(
        default=AVERAGE, description="what is compared, the lowest first: a corpus, or `average`"
    )


def _names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class Objective(Configuration):
    """The numbers of the results table by which recipes are compared."""

    minimize: tuple[Text, ...] = Field(
        default=(), description="a corpus for its loss, or a column of the results table; or a list"
    )
    maximize: tuple[Text, ...] = Field(
        default=(), description="columns of the results table whose high values are good"
    )
    subject_to: FrozenMapping[Real] = Field(
        default_factory=FrozenDict, description="the highest allowed value by column, or by corpus"
    )

    model_config = ConfigDict(
        json_schema_extra=or_shorter(
            {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
        )
    )

    @model_validator(mode="before")
    @classmethod
    def _word_or_list(cls, data: Any) -> Any:
        if not isinstance(data, str | list | tuple):
            return data
        names = [data] if isinstance(data, str) else list(data)
        for name in names:
            if isinstance(name, str) and name.startswith(TASKS):
                remedy = f"Write {{maximize: {name}}}, or {{minimize: {name}}}"
                raise FieldError(f"{shown(name)} may be good when it is high, or low", remedy)
        return {"minimize": names}

    @field_validator("minimize", "maximize", mode="before")
    @classmethod
    def _one_name(cls, value: Any) -> Any:
        return _names(value)

    @model_validator(mode="after")
    def _consistent(self) -> Objective:
        goals = self.goals
        if not goals:
            raise FieldError("search.objective names nothing", "Give a corpus, or the word average")
        if len(goals) > _MOST_GOALS:
            problem = f"search.objective names {len(goals)} numbers"
            raise FieldError(problem, f"Give at most {_MOST_GOALS}, or bounds in `subject_to`")
        if twice := {name for name in goals if goals.count(name) > 1}:
            raise FieldError(f"search.objective names {min(twice)!r} twice", "Name it once")
        return self

    @property
    def goals(self) -> tuple[str, ...]:
        """All names, those that are minimised first."""
        return (*self.minimize, *self.maximize)

    @property
    def signs(self) -> tuple[int, ...]:
        """For each goal the factor with which its lowest value is the best."""
        return (1,) * len(self.minimize) + (-1,) * len(self.maximize)


@dataclass(frozen=True)
class AskedTask:
    """A task of lm-evaluation-harness that an objective names."""

    name: str
    limit: int | None
    """Number of questions that are asked; None: all."""

    @property
    def title(self) -> str:
        """The task as the results table calls it: a limit is part of the name."""
        return self.name if self.limit is None else f"{self.name} ({self.limit} questions)"


class SearchTasks(Configuration):
    """How the tasks that a search's objective names are asked."""

    limit: Count | None = Field(
        default=None, gt=0, description="questions of each task; without it, all"
    )
    data: Text | None = Field(
        default=None,
        description="folder with copies of the tasks' data sets, in place of the hub; on every "
        "machine of the cluster",
    )
    lists: tuple[Text, ...] = Field(
        default=(),
        description="where tasks are looked for first: folders of task YAMLs, paper-english, "
        "paper-german",
    )

    @field_validator("lists", mode="before")
    @classmethod
    def _one_list(cls, value: Any) -> Any:
        return _names(value)


class Search(Configuration):
    """A search over the ranges and lists of a sweep's one grid."""

    sampler: Text = Field(
        default="tpe",
        description="random, tpe, nsga2 or gp; grid for all combinations of lists; or `tune:NAME` "
        "for a searcher of Ray Tune, such as tune:HyperOptSearch",
    )
    trials: Count | None = Field(
        default=None,
        gt=0,
        le=MOST_TRIALS,
        description="recipes that are proposed at most; the sampler grid ends without it",
    )
    budget: Budget | None = Field(default=None, description="what they may take in all")
    seed: Count = Field(
        default=0, le=2**32 - 1, description="draws the proposals, and nothing else"
    )
    objective: Objective = Field(
        default=Objective(minimize=(AVERAGE,)),
        description="`average`, a corpus, a column of the results table, or a list of them; or "
        "{minimize: …, subject_to: {forgetting/english: 0.02}}, {maximize: task/hellaswag}",
    )
    tasks: SearchTasks = Field(
        default=SearchTasks(), description="how the objective's tasks (`task/NAME`) are asked"
    )
    early_stopping: EarlyStopping | None = Field(
        default=None, description="poor recipes wait before they are through"
    )

    @property
    def asked(self) -> dict[str, AskedTask]:
        """The task behind each name of the objective that is one: `task/hellaswag`.

        A name may say a number of questions itself, as a column of the results table does.
        """
        names = (*self.objective.goals, *self.objective.subject_to)
        found = {name: name.removeprefix(TASKS) for name in names if name.startswith(TASKS)}
        limited = {name: _LIMITED.fullmatch(task) for name, task in found.items()}
        return {
            name: AskedTask(each["task"], int(each["limit"]))
            if (each := limited[name])
            else AskedTask(task, self.tasks.limit)
            for name, task in found.items()
        }

    @property
    def compared(self) -> Objective:
        """The objective by the columns of the results table, in which a limit is part of a name."""
        asked = {name: f"{TASKS}{task.title}" for name, task in self.asked.items()}
        if all(name == column for name, column in asked.items()):
            return self.objective
        return Objective(
            minimize=tuple(asked.get(name, name) for name in self.objective.minimize),
            maximize=tuple(asked.get(name, name) for name in self.objective.maximize),
            subject_to={asked.get(name, name): b for name, b in self.objective.subject_to.items()},
        )

    @field_validator("sampler")
    @classmethod
    def _known(cls, name: str) -> str:
        searcher = name.removeprefix(TUNE)
        if name not in SAMPLERS and (
            searcher == name or not re.fullmatch(r"[A-Za-z]\w*", searcher)
        ):
            known = ", ".join(SAMPLERS)
            remedy = f"Give {known}, or a searcher of Ray Tune such as tune:HyperOptSearch"
            raise FieldError(f"there is no sampler {shown(name)}", remedy)
        return name

    @model_validator(mode="before")
    @classmethod
    def _mapping(cls, data: Any) -> Any:
        if data is not None and not isinstance(data, Mapping | Search):
            raise FieldError(f"search is {shown(data)}", "Write search: {sampler: tpe, trials: 20}")
        return data

    @model_validator(mode="after")
    def _asks_once(self) -> Search:
        limits: dict[str, AskedTask] = {}
        for task in self.asked.values():
            other = limits.setdefault(task.name, task)
            if other != task:  # a state has one score in a task
                problem = f"search.objective names {other.title!r} and {task.title!r}"
                raise FieldError(problem, "Ask a task one number of questions")
        return self

    @model_validator(mode="after")
    def _ends(self) -> Search:
        if self.trials is None and self.budget is None and self.sampler != GRID:
            raise FieldError(
                "search has no end: neither `trials` nor `budget`",
                "Write search: {trials: 20}, or {budget: {tokens: 50M}}",
            )
        if len(self.objective.goals) > 1 and self.sampler.startswith(TUNE):
            raise FieldError(
                f"search.objective has {len(self.objective.goals)} numbers, and searchers of Ray "
                "Tune follow one",
                "Give one, or the sampler tpe, nsga2 or gp",
            )
        return self
