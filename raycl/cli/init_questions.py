"""The questions of `raycl init`, in their order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

from raycl.cli.interview import Interview, Question, choice
from raycl.errors import FieldError, InputError
from raycl.plan.presets import PRESETS
from raycl.recipe.starter.answers import Place, Shift
from raycl.recipe.starter.budget import Budget, parse_budget
from raycl.recipe.starter.compose import GivenModel, GivenText
from raycl.recipe.starter.model import RANDOM, check_model, given_model
from raycl.recipe.starter.place import check_kind, check_place, usual_place
from raycl.recipe.starter.text import NONE, SeenText, look_at, see_text
from raycl.units import parse_real, parse_whole

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Given:
    """The options of the command, as they were written; None: not given."""

    model: str | None = None
    random: bool = False
    new: str | None = None
    text_field: str | None = None
    old: str | None = None
    old_text_field: str | None = None
    shift: str | None = None
    cluster: str | None = None
    gpus: str | None = None
    gpu: str | None = None
    storage: str | None = None
    max_lr: str | None = None
    more: bool | None = None
    budget: str | None = None
    baselines: bool = True
    sequence_length: int | None = None


NEEDED = {
    "--model": f"a folder, owner/model of the hub, {RANDOM}, or a preset.",
    "--new": "files, folders, patterns, or a name that `raycl fetch` knows.",
    "--old": f"the same for text like what the model knows, or {NONE}.",
    "--shift": "weak (same language and kind of text) or strong (another).",
}
"""What has no default, by flag, with what may be answered."""


def ask_model(interview: Interview, given: Given) -> GivenModel:
    """The model, which is read at once where it is a folder."""

    def check(text: str) -> GivenModel:
        name = check_model(text)
        if name in PRESETS or name == RANDOM:
            if given.random and name != RANDOM:
                problem = "a preset has random weights anyway"
                raise InputError("--random", problem, "Leave it out")
            return GivenModel(name)
        return GivenModel(name, *given_model(name, given.random))

    why = (
        "The model: a folder with config.json and safetensors, owner/model of the hub, "
        f"`{RANDOM}` for random weights of a size that suits the budget, or a preset: "
        f"{', '.join(PRESETS)}."
    )
    return interview.answer(Question("--model", "Model", why, check), given.model)


def ask_new(interview: Interview, given: Given) -> GivenText:
    """The new text."""
    why = (
        "The new text: files, folders or patterns such as 'data/*.jsonl', here or at s3://, or a "
        "name that `raycl fetch` knows. Several are divided by spaces."
    )
    question = Question("--new", "New text", why, lambda answer: _seen(answer, given.text_field))
    seen = interview.answer(question, given.new)
    return _with_field(interview, seen, "--text-field", given.text_field)


def ask_old(
    interview: Interview, given: Given, has_weights: bool, new: SeenText
) -> GivenText | None:
    """The old text; None where there is none."""
    why = (
        "Text like what the model was trained on, given as the new text is: it is replayed, and "
        f"shows what the model forgets. `{NONE}`: neither can be known."
    )
    if not has_weights:
        why = (
            "Text that the model learns before the new text, given as that is; it is replayed "
            f"later. `{NONE}`: the model learns the new text alone."
        )

    def check(answer: str) -> SeenText | None:
        if answer.lower() == NONE:
            return None
        seen = _seen(answer, given.old_text_field)
        if seen == new:
            raise InputError(repr(answer), "the same as the new text", f"Give another, or {NONE}")
        return seen

    seen = interview.answer(Question("--old", "Old text", why, check), given.old)
    if seen is None:
        return None
    return _with_field(interview, seen, "--old-text-field", given.old_text_field)


def _seen(answer: str, field: str | None) -> SeenText:
    """The text of an answer, looked at where it is known in which field it stands."""
    seen = see_text(answer)
    if len(seen.fields) < 2 and field is None:
        look_at(seen, _only(seen))
    return seen


def _only(seen: SeenText) -> str | None:
    return seen.fields[0] if seen.fields else None


def _with_field(interview: Interview, seen: SeenText, flag: str, given: str | None) -> GivenText:
    """The text with the field in which it stands, which is asked where there are several."""
    if len(seen.fields) < 2 and given is None:
        return GivenText(seen, look_at(seen, _only(seen)))

    def check(field: str) -> GivenText:
        return GivenText(seen, look_at(seen, field))

    why = f"The field or column with the text of a document, of {', '.join(seen.fields)}."
    default = "text" if "text" in seen.fields else _only(seen)
    return interview.answer(Question(flag, "Field of the text", why, check, default), given)


def ask_shift(interview: Interview, given: Given) -> Shift:
    """How far the new text is from the old."""
    why = (
        "How far the new text is from the old: `weak` for the same language and kind of text, "
        "`strong` for another language or domain. It decides how much old text is replayed."
    )
    check = choice("weak", "strong")
    return cast(Shift, interview.answer(Question("--shift", "Shift", why, check), given.shift))


def ask_place(interview: Interview, given: Given) -> Place:
    """Where it is trained, with the number and the kind of GPUs."""
    why = "Where: `laptop` (this machine's CPUs), `gpus` (of this machine), or a Ray cluster's "
    why += "address (`auto` on its head)."
    default = given.cluster or ("gpus" if given.gpus or given.gpu else usual_place())
    place = interview.answer(
        Question("--cluster", "Where", why, check_place, default), given.cluster
    )
    if place.gpus == 0 and place.address is None:
        if given.gpus or given.gpu:
            flag = "--gpus" if given.gpus else "--gpu"
            problem = "GPUs, and --cluster laptop means this machine's CPUs"
            raise InputError(flag, problem, "Give --cluster gpus, or leave it out")
        return place
    many = Question("--gpus", "GPUs", "How many GPUs there are; 0: CPUs.", _count, str(place.gpus))
    place = replace(place, gpus=interview.answer(many, given.gpus))
    if not place.gpus:
        return replace(place, kind=None)
    kinds = "The GPUs' kind, such as H100, A100 or B200: it tells their memory and speed."
    kind = Question("--gpu", "Kind of GPU", kinds, _kind, place.kind or UNKNOWN)
    return replace(place, kind=interview.answer(kind, given.gpu))


def ask_storage(interview: Interview, given: Given, place: Place, name: str) -> str:
    """The storage of the command that trains the recipe, which is asked for a cluster alone."""
    usual = f"runs/{name}"
    if place.address is None and given.storage is None:
        return usual
    why = "The storage of the training: a folder that all machines share, or s3:// or gs:// URL."
    return interview.answer(Question("--storage", "Storage", why, str, usual), given.storage)


def ask_rest(interview: Interview, given: Given, has_weights: bool) -> tuple[float | None, bool]:
    """The highest rate of the model's earlier training, and whether more text will come."""
    rate = None
    if has_weights or given.max_lr is not None:
        why = (
            "The highest learning rate of the model's own training (its card or paper says it): "
            f"it is re-warmed to that. `{UNKNOWN}`: a usual one, and two others are tried."
        )
        question = Question("--max-lr", "Highest rate", why, _rate, UNKNOWN)
        rate = interview.answer(question, given.max_lr)
    why = (
        "Will more text come after this? `yes`: an infinite schedule, from which later stages go "
        "on without re-warming. `no`: a cosine that ends with this text."
    )
    answer = None if given.more is None else ("yes" if given.more else "no")
    more = interview.answer(
        Question("--more", "More later", why, choice("yes", "no"), "no"), answer
    )
    return rate, more == "yes"


def ask_budget(interview: Interview, given: Given) -> Budget:
    """How much is trained."""
    why = (
        "How much training: tokens that each recipe reads in its new stage (50M, 2B), passes over "
        "the new text (1x), or hours for everything together (6h), which become tokens by an "
        "estimate."
    )
    return interview.answer(Question("--budget", "Budget", why, parse_budget, "1x"), given.budget)


def _count(answer: str) -> int:
    try:
        return parse_whole(answer)
    except FieldError as error:
        raise InputError(repr(answer), "no number", "Give 0, 1, 8") from error


def _kind(answer: str) -> str | None:
    return None if answer == UNKNOWN else check_kind(answer)


def _rate(answer: str) -> float | None:
    if answer == UNKNOWN:
        return None
    try:
        rate = parse_real(answer)
    except FieldError as error:
        raise InputError(repr(answer), "no rate", f"Give 3e-4, or {UNKNOWN}") from error
    if not 0 < rate < 1:
        raise InputError(repr(answer), "no learning rate of AdamW", f"Give 3e-4, or {UNKNOWN}")
    return rate
