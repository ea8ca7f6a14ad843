"""Parts of a recipe that may be written as one word, spelled out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from raycl.errors import FieldError, shown
from raycl.plan import presets
from raycl.plan.schedule import PRESETS as SCHEDULES

_IDENTIFIER = re.compile(r"[0-9a-f]{12,}")
_LONGEST_NEAR = 100
_SHOWN = 5


def model_form(value: Any) -> Any:
    """`model: X` as `{preset: X}` or, for a path, a hub name or an identifier, `{pretrained: X}`.

    Raises FieldError for one word that is no preset: it may be a folder or a misspelt preset.
    """
    if not isinstance(value, str):
        return value
    if value in presets.PRESETS:
        return {"preset": value}
    if "/" in value or value.startswith((".", "~")) or _IDENTIFIER.fullmatch(value):
        return {"pretrained": value}
    near = difflib.get_close_matches(value[:_LONGEST_NEAR], presets.PRESETS, n=1)
    raise FieldError(
        f"there is no preset {shown(value)}",
        f"Did you mean {near[0]}?"
        if near
        else f"Give a folder as ./NAME, a model of the hub as OWNER/NAME or {{pretrained: NAME}}, "
        f"or a preset: {', '.join(presets.PRESETS)}",
    )


def tokenizer_form(value: Any) -> Any:
    """`tokenizer: X` as `{load: X}`."""
    return {"load": value} if isinstance(value, str) else value


def corpus_form(value: Any) -> Any:
    """A corpus given as its text, or as a list of it, as `{text: …}`; a single one as a list."""
    if isinstance(value, str | list | tuple):
        value = {"text": value}
    if isinstance(value, dict):
        files = ("text", "tokens")
        return value | {
            field: [value[field]] for field in files if isinstance(value.get(field), str)
        }
    return value


def mixture_form(value: Any) -> Any:
    """`mixture: X` as the whole of the new data. Raises FieldError for names without shares."""
    if isinstance(value, list) and value:
        shares = ", ".join(f"{name}: {100 // len(value)}%" for name in value[:_SHOWN])
        raise FieldError("a list has no shares", f"Give each corpus its share: {{{shares}}}")
    return {value: 1} if isinstance(value, str) else value


def check_collections(data: Mapping[str, Any]) -> None:
    """Raise FieldError where corpora have no names, or stages have no order."""
    if isinstance(data.get("corpora"), str | list):
        raise FieldError("corpora have no names", "Write corpora: {web: web.jsonl}")
    if isinstance(data.get("stages"), dict):
        raise FieldError(
            "stages is a mapping, which has no order",
            "Write a list: - {name: web, steps: 1000, schedule: rewarm}",
        )
    written = data.get("stages")
    for stage in written if isinstance(written, list) else ():
        if isinstance(stage, str):
            raise FieldError(
                f"the stage {shown(stage)} has no length and no schedule",
                f"Write - {{name: {stage[:_LONGEST_NEAR]}, steps: 1000, schedule: rewarm}}",
            )


def _schedule_form(value: Any) -> Any:
    return dict(SCHEDULES[value]) if isinstance(value, str) and value in SCHEDULES else value


_FORMS = {
    "model": model_form,
    "tokenizer": tokenizer_form,
    "mixture": mixture_form,
    "schedule": _schedule_form,
}


def _stage_form(stage: Any) -> Any:
    if isinstance(stage, Mapping) and "mixture" in stage:
        return {**stage, "mixture": mixture_form(stage["mixture"])}
    return stage


def long_form(path: Sequence[str], value: Any) -> Any:
    """A value at a place of a recipe, spelled out; fields inside of it can then be replaced."""
    if len(path) == 2 and path[0] == "corpora":
        return corpus_form(value)
    form = _FORMS.get(path[-1])
    return value if form is None else form(value)


def spelled_out(data: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's data with its model, corpora and mixtures as mappings."""
    whole = dict(data)
    if "model" in whole:
        whole["model"] = model_form(whole["model"])
    if isinstance(whole.get("corpora"), Mapping):
        whole["corpora"] = {name: corpus_form(text) for name, text in whole["corpora"].items()}
    if isinstance(whole.get("stages"), list):
        whole["stages"] = [_stage_form(stage) for stage in whole["stages"]]
    return whole
