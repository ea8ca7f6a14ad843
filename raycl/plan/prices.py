"""What machines cost: the content of a file of prices, and dollars for workers' time.

All prices are the user's own. Nothing here knows what any machine costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from raycl.errors import FieldError, InputError
from raycl.plan.configuration import Configuration
from raycl.plan.peak_flops import Arithmetic, peak_flops
from raycl.units import Count, Real, Share, Span

_HOUR = 3600.0


def _finite_price(value: float) -> float:
    if not 0 <= value < 1e9:
        raise FieldError(f"{value!r} is no price", "Give dollars, 0 or more")
    return value


Dollars = Annotated[Real, AfterValidator(_finite_price)]


class Spot(Configuration):
    """A machine that its owner may take back at any time."""

    dollars_per_hour: Dollars = Field(description="price of one machine for an hour")
    interruptions_per_hour: Real = Field(
        ge=0, le=3600, description="how often one machine is taken away, in the mean"
    )
    restart: Span = Field(
        default=timedelta(minutes=2),
        description="from an interruption until its node trains again: a new machine, its start, "
        "loading the state",
    )
    save: Span | None = Field(
        default=None,
        description="how long training stands still to save a state; tells the best `save_every`",
    )


class MachineKind(Configuration):
    """One kind of machine, its price, and how fast it trains where that was not measured."""

    dollars_per_hour: Dollars = Field(description="price of one machine for an hour")
    workers: Count = Field(
        default=1, gt=0, description="workers on one machine: its GPUs, or processes on its CPUs"
    )
    device: str | None = Field(
        default=None,
        min_length=1,
        description="the device as states name it, or words of it: `H100`; finds what was measured",
    )
    tokens_per_second: Real | None = Field(
        default=None, gt=0, description="of one worker, by hand, where nothing was measured"
    )
    flops: Count | None = Field(
        default=None, gt=0, description="FLOPs per second of one worker at best"
    )
    mfu: Share | None = Field(
        default=None, gt=0, description="the share of `flops` that training is assumed to reach"
    )
    spot: Spot | None = Field(default=None, description="the same machine, as one taken back")

    @model_validator(mode="after")
    def _one_assumption(self) -> Self:
        if self.tokens_per_second is not None and (self.mfu or self.flops):
            raise FieldError(
                "both tokens_per_second and flops or mfu are given", "Keep one assumption"
            )
        if self.flops is not None and self.mfu is None:
            raise FieldError("flops without mfu", "Give the share of them that training reaches")
        if self.mfu is not None and self.peak("float32") is None:
            raise FieldError("mfu without flops", "Give flops, or a device that raycl knows")
        return self

    def peak(self, precision: str) -> float | None:
        """FLOPs per second of one worker at best; by its device where they are not given."""
        if self.flops is not None:
            return float(self.flops)
        arithmetic: Arithmetic = "bfloat16" if precision == "bfloat16" else "float32"
        return peak_flops(self.device, arithmetic) if self.device else None

    @property
    def dollars_per_worker_hour(self) -> float:
        """The price of one worker for an hour, where every worker of the machine works."""
        return self.dollars_per_hour / self.workers

    def is_of(self, device: str) -> bool:
        """Whether states name its device so: word by word, so that an `A1000` is no `A100`."""
        return self.device is not None and f" {_words(self.device)} " in f" {_words(device)} "


class Prices(Configuration):
    """A file of prices."""

    source: str = Field(min_length=1, description="where the prices come from")
    date: str = Field(min_length=1, description="the day on which they were looked up")
    machines: Mapping[str, MachineKind] = Field(
        min_length=1, description="kinds of machines by a name of your own"
    )
    stages: Mapping[str, str] = Field(
        default={}, description="the kind on which a stage trains, where it is always the same"
    )

    @model_validator(mode="after")
    def _known_kinds(self) -> Self:
        for stage, kind in self.stages.items():
            if kind not in self.machines:
                known = ", ".join(self.machines)
                raise FieldError(f"stages.{stage} is {kind!r}, no machine here", f"Give {known}")
        return self

    def kind_of(self, device: str | None) -> MachineKind | None:
        """The kind of machine of a device, which a state may not know (None).

        The first in the file that names the device. The only one in a file serves for what names no
        device, and for all devices where it names none itself. None where no kind is known.
        """
        kinds = list(self.machines.values())
        if device is not None:
            found = next((kind for kind in kinds if kind.is_of(device)), None)
            if found is not None:
                return found
        only = kinds[0] if len(kinds) == 1 else None
        return only if only is not None and (device is None or only.device is None) else None


def dollars(worker_seconds: float, prices: Prices, device: str | None = None) -> float:
    """Dollars for the time of workers on a device: seconds of all of them together.

    Machines are counted by the workers that are used, at the price that is not spot. Raises
    InputError where no kind of machine in the prices is known to be that of the device.
    """
    kind = prices.kind_of(device)
    if kind is None:
        known = ", ".join(prices.machines)
        raise InputError(
            f"prices of {known}",
            f"none of these is known to be a machine with {device or 'this device'}",
            "Name the device of that machine in the file of prices",
        )
    return worker_seconds / _HOUR * kind.dollars_per_worker_hour


def _words(name: str) -> str:
    return " ".join(name.replace("-", " ").casefold().split())
