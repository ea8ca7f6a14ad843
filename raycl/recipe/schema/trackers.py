"""Which trackers follow a sweep while it trains. No state and no result depends on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, model_serializer

from raycl.errors import FieldError, InputError, shown
from raycl.plan.configuration import Configuration
from raycl.recipe.schema.common import Text
from raycl.storage.urls import refuse_secret

_ELSEWHERE = {
    "mlflow.uri": "Leave `uri` out and set MLFLOW_TRACKING_URI in the environment, or give the URI "
    "alone, and MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD there",
    "aim.repo": "Give the URL without them: a repository that asks for them is not supported",
}


def _without_secret(field: str) -> AfterValidator:
    def checked(url: str) -> str:
        try:
            refuse_secret(url, "trackers")
        except InputError as error:
            problem = "the URL holds credentials, which a recipe must not"
            # Not a FieldError, whose message would repeat the value.
            raise InputError(f"trackers.{field}", problem, _ELSEWHERE[field]) from error
        return url

    return AfterValidator(checked)


class TensorBoard(Configuration):
    """Event files in `sweeps/<name>/tensorboard` of the storage; there is nothing to set."""


class MLflow(Configuration):
    """Runs of MLflow."""

    uri: Annotated[Text, _without_secret("mlflow.uri")] | None = Field(
        default=None,
        description="of the tracking server, or of a store such as sqlite:///runs.db. Default: "
        "MLFLOW_TRACKING_URI of the environment, or else trackers/mlflow.db in a local storage",
    )
    experiment: Text | None = Field(
        default=None, description="in which the runs lie; by default the name of the sweep"
    )


class WeightsAndBiases(Configuration):
    """Runs of Weights & Biases, a group for each sweep. The key is WANDB_API_KEY's."""

    project: Text = Field(default="raycl", description="in which the runs lie")
    entity: Text | None = Field(
        default=None, description="user or team; by default that of the key"
    )
    mode: Literal["online", "offline"] = Field(
        default="online",
        description="`offline` writes into trackers/wandb of a local storage, for `wandb sync`",
    )


class Aim(Configuration):
    """Runs of Aim."""

    repo: Annotated[Text, _without_secret("aim.repo")] | None = Field(
        default=None,
        description="folder or aim:// URL of the repository; by default trackers/aim in a local "
        "storage",
    )
    experiment: Text | None = Field(
        default=None, description="in which the runs lie; by default the name of the sweep"
    )


class Trackers(Configuration):
    """The trackers of a sweep by name, each with its settings; one that is not named is not used.

    Without settings a list of names is enough: [tensorboard, mlflow].
    """

    tensorboard: TensorBoard | None = Field(default=None, description="event files for TensorBoard")
    mlflow: MLflow | None = Field(default=None, description="needs the extra `mlflow`")
    wandb: WeightsAndBiases | None = Field(default=None, description="needs the extra `wandb`")
    aim: Aim | None = Field(default=None, description="needs the extra `aim`")

    @model_serializer(mode="wrap")
    def _without_unused(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # A name without settings turns its tracker on, so what is not used has no name here.
        return {name: settings for name, settings in handler(self).items() if settings is not None}

    @property
    def used(self) -> dict[str, Configuration]:
        """The settings of the trackers that are used, by name."""
        found = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {name: settings for name, settings in found if settings is not None}


DEFAULT = Trackers(tensorboard=TensorBoard())


def trackers_form(value: Any) -> Any:
    """`[tensorboard, {mlflow: {uri: …}}]`, or one name, as a mapping of settings by name.

    Raises FieldError for an entry that is neither, and for a name that is given twice.
    """
    if isinstance(value, Trackers):
        return value
    found: dict[str, Any] = {}
    for entry in [value] if isinstance(value, str | Mapping) else _entries(value):
        named = {entry: None} if isinstance(entry, str) else entry
        if not isinstance(named, Mapping):
            raise FieldError(f"{shown(entry)} is no tracker", "Write [tensorboard, mlflow]")
        for name, settings in named.items():
            if name not in Trackers.model_fields:
                known = ", ".join(Trackers.model_fields)
                raise FieldError(f"there is no tracker {shown(name)}", f"Give some of: {known}")
            if name in found:
                raise FieldError(f"the tracker {name} is named twice", "Name it once")
            found[name] = {} if settings is None else settings
    return found


def _entries(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return value
    raise FieldError(f"{shown(value)} is no list of trackers", "Write [tensorboard, mlflow]")
