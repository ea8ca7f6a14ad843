"""Fields of a stage that change inside it: from a place on they have other values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from raycl.errors import FieldError
from raycl.plan.configuration import Configuration
from raycl.plan.frozen import frozen
from raycl.plan.schedule import PRESETS, BaseSchedule, Schedule
from raycl.recipe.schema.amounts import MaxEpochs, Replay
from raycl.recipe.schema.common import FrozenMapping, or_shorter
from raycl.recipe.schema.loss_weight import LossWeight
from raycl.recipe.schema.mixture import StageMixture
from raycl.recipe.schema.short_forms import mixture_form
from raycl.units import Count, PhaseLength

_SCHEDULE: TypeAdapter[BaseSchedule] = TypeAdapter(Schedule)


def _schedule_form(value: Any) -> Any:
    """A schedule by name as its fields. Raises FieldError where no schedule has the name."""
    if isinstance(value, str) and value not in PRESETS:
        known = ", ".join(PRESETS)
        raise FieldError("there is no such schedule", f"Give {known}, or fields: {{max_lr: 1e-4}}")
    return frozen(PRESETS[value] if isinstance(value, str) else value)


class StageChange(Configuration):
    """What is different in a stage from a place on; fields that are not given stay as they are."""

    start: PhaseLength = Field(
        alias="from", description="the part of the stage, as it is without changes, before it"
    )
    mixture: Annotated[StageMixture, BeforeValidator(mixture_form)] | None = Field(
        default=None,
        description="another mixture; each corpus is read on from where the stage stopped",
        json_schema_extra=or_shorter({"type": "string"}),
    )
    replay: Replay | None = Field(default=None, description="another share of old data")
    replay_from: Literal["seen", "all"] | None = Field(
        default=None, description="other rows to replay"
    )
    steps: Count | None = Field(
        default=None, gt=0, description="another length of the whole stage in optimizer steps"
    )
    tokens: Count | None = Field(
        default=None, gt=0, description="another length of the whole stage in tokens"
    )
    stop_after: PhaseLength | None = Field(
        default=None, description="train only this first part of the whole stage"
    )
    schedule: Annotated[FrozenMapping[Any], BeforeValidator(_schedule_form)] | None = Field(
        default=None,
        description="fields of the schedule, whose other fields stay; with `kind`, or by name, "
        "another schedule. Rates are those that it has at this place of the whole stage; `parent` "
        "is the rate just before the change",
        json_schema_extra=or_shorter({"enum": list(PRESETS)}),
    )
    loss_weight: FrozenMapping[LossWeight] | None = Field(
        default=None, description="other weights of corpora in the loss"
    )
    at_end: Literal["repeat", "stop", "error"] | None = Field(
        default=None, description="another answer when a corpus has no more rows"
    )
    max_epochs: MaxEpochs | None = Field(default=None, description="another limit of epochs")

    model_config = ConfigDict(serialize_by_alias=True)

    @model_validator(mode="after")
    def _something(self) -> StageChange:
        if self.steps is not None and self.tokens is not None:
            raise FieldError("give either `steps` or `tokens`", "Write one of them")
        if not self.fields:
            raise FieldError("nothing changes", "Give a field with its new value: replay: 10%")
        return self

    @property
    def fields(self) -> dict[str, Any]:
        """The fields that change, and their new values."""
        names = (name for name in type(self).model_fields if name != "start")
        found = {name: getattr(self, name) for name in names}
        return {name: value for name, value in found.items() if value is not None}


def changed_schedule(schedule: BaseSchedule, fields: Mapping[str, Any]) -> BaseSchedule:
    """The schedule with these fields; with `kind` among them, they are all of another one.

    Raises ValidationError where they contradict each other.
    """
    own = {} if "kind" in fields else schedule.model_dump(exclude_unset=True)
    kind = {} if "kind" in fields else {"kind": getattr(schedule, "kind", None)}
    return _SCHEDULE.validate_python({**own, **kind, **fields})


def check_changes(schedule: BaseSchedule, changes: Iterable[StageChange]) -> None:
    """Raise FieldError where a change makes a schedule that contradicts itself."""
    for change in changes:
        if change.schedule is not None:
            try:
                schedule = changed_schedule(schedule, change.schedule)
            except ValidationError as error:
                raise _told(change, error) from error


def _told(change: StageChange, error: ValidationError) -> FieldError:
    first = error.errors()[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, FieldError):
        return FieldError(f"the schedule from {change.start} on: {cause.problem}", cause.remedy)
    field = ".".join(map(str, first["loc"][1:])) or "kind"
    what = "unknown field" if first["type"] == "extra_forbidden" else first["msg"]
    problem = f"the schedule from {change.start} on: {field}: {what}"
    return FieldError(problem, "Give fields of the stage's own schedule, or a whole one by `kind`")
