"""What is known of a storage, as one dictionary that JSON can hold; the page shows it.

All numbers are finite or None, and times are ISO 8601 with a time zone. A reader takes what it
knows and passes over the rest, so that fields may be added within one format.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

FORMAT = 1
"""The format that `Snapshot` describes."""

Number = float | None
Series = tuple[list[int], list[Number]]
"""Steps done, counted from the beginning of the recipe, and the values there."""
Curves = dict[str, Series]
"""By measure: loss, learning_rate, tokens_per_second, validation/<corpus>, and rows/<corpus>, which
is the number of training rows that the node has read of a corpus, at its last step."""

NodeStatus = Literal["finished", "training", "silent", "waiting", "failed", "held"]
"""`held`: paused or stopped by somebody, or by early stopping. `silent`: a process has it, of which
nothing was heard for a minute."""
Group = Literal["loss", "bits per byte", "change", "transfer", "effort", "task"]


class Column(TypedDict):
    """A column of the table of recipes."""

    name: str
    """Its name in the results table: loss/english."""
    title: str
    hint: str
    """What it means: a sentence that begins with the word for it; several columns may share it."""
    group: Group
    unit: str
    better: int
    """-1 where less is better, 1 where more is, 0 where neither."""
    digits: int
    """Decimals that are shown."""


class RecipeLine(TypedDict):
    """A recipe with its numbers."""

    label: str
    setting: str
    """The label without its seed."""
    seed: int
    kind: str
    status: str
    state: str
    """The state at its end, or the deepest one so far; empty where there is none."""
    fields: dict[str, float | str | None]
    values: dict[str, Number]
    """By column."""
    standard_errors: dict[str, float]
    """Those of losses over held-out documents, by column; without what is not known."""
    nodes: list[str]
    """Names of its nodes, the root first."""
    rows: dict[str, int]
    """Training rows that it has read of each corpus."""
    best: list[str]
    """Columns in which it is marked as the best."""


class Spread(TypedDict):
    """What the seeds of a setting say of one column."""

    mean: Number
    sd: Number
    low: Number
    high: Number
    n: int


class SettingLine(TypedDict):
    """The recipes that differ in their seed alone, as one."""

    setting: str
    kind: str
    fields: dict[str, float | str | None]
    seeds: int
    values: dict[str, Spread]
    best: list[str]


class Objective(TypedDict):
    """What a search compares its recipes by."""

    text: str
    columns: list[str]
    """Columns of the results table."""
    front: list[str]
    """Labels on the Pareto front; the best one where there is one goal."""


class AdvicePoint(TypedDict):
    """One point of the advice."""

    kind: str
    title: str
    text: str


class AdviceText(TypedDict):
    """What to do next."""

    headline: str
    points: list[AdvicePoint]
    command: str


class NodeLine(TypedDict):
    """A node and how far it is."""

    name: str
    short: str
    parent: str | None
    stage: str
    first_step: int
    last_step: int
    recipes: list[str]
    status: NodeStatus
    step: int
    """Steps done, counted from the beginning of the recipe."""
    told: str
    """What somebody has asked of it, or why it waits; empty where there is nothing to say."""
    failure: str
    """Why it was given up; empty where it was not."""
    tokens_per_second: Number
    seconds_left: Number
    loss: Number
    updated: str | None
    """When its training last wrote numbers."""
    workers: int | None


class Summary(TypedDict):
    """How far a sweep is, in numbers of nodes and steps."""

    nodes: int
    finished: int
    training: int
    silent: int
    waiting: int
    failed: int
    held: int
    steps_done: int
    steps_total: int
    steps_shared: int
    """Steps that sharing saves, in comparison with every recipe trained alone."""
    tokens_per_second: Number
    """Of all nodes that train now."""
    seconds_left: Number


class SweepLine(TypedDict):
    """One sweep."""

    name: str
    updated: str | None
    headline: str
    """That of the advice; empty where there is none."""
    notes: list[str]
    facts: dict[str, dict[str, str] | str]
    recipe: str
    summary: Summary
    fields: list[str]
    measured: str
    """What the losses are, and on how many rows they were measured: a sentence."""
    columns: list[Column]
    recipes: list[RecipeLine]
    settings: list[SettingLine]
    objective: Objective | None
    advice: AdviceText | None
    nodes: list[NodeLine]
    merges_left: list[str]


class LogEntry(TypedDict):
    """One event of a node."""

    at: str
    kind: str
    text: str


class NodeDetails(TypedDict):
    """What is read of nodes only when somebody looks at them."""

    curves: dict[str, Curves]
    logs: dict[str, list[LogEntry]]


class Snapshot(TypedDict):
    """All that is known of a storage, without the details of its nodes."""

    format: int
    storage: str
    read_at: str
    version: str
    live: bool
    damaged: list[str]
    sweeps: list[SweepLine]
    steer: NotRequired[bool]
    """Whether the server that sends it lets nodes be steered."""


class WholeSnapshot(Snapshot, NodeDetails):
    """All that is known of a storage, as a static file holds it."""
