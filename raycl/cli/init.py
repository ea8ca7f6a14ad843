"""The command that writes a first recipe from a few answers."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from raycl.cli.options import STORAGE_VARIABLE
from raycl.errors import InputError

if TYPE_CHECKING:
    from raycl.cli.init_questions import Given
    from raycl.cli.interview import Interview
    from raycl.recipe.starter.answers import Answers
    from raycl.recipe.starter.compose import Choices, GivenModel, GivenText
    from raycl.recipe.starter.write import Starter
    from raycl.sweep.preview import Preview

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_FILE = Path("my.yaml")


def init(  # noqa: PLR0913 (each is an answer)
    file: Annotated[Path, typer.Argument(help="The recipe to write; a new file.")] = Path(
        "my.yaml"
    ),
    model: Annotated[
        str | None,
        typer.Option(help="A folder, owner/model of the hub, a preset, or `random`."),
    ] = None,
    random: Annotated[
        bool, typer.Option("--random", help="Random weights in place of the model's own.")
    ] = False,
    new: Annotated[
        list[str] | None,
        typer.Option(help="New text: file, folder, pattern, or a name to fetch; repeatable."),
    ] = None,
    text_field: Annotated[
        str | None, typer.Option(help="Field or column of the new text. [text]")
    ] = None,
    old: Annotated[
        list[str] | None,
        typer.Option(help="Text like what the model knows, as --new; or `none`."),
    ] = None,
    old_text_field: Annotated[
        str | None, typer.Option(help="Field or column of the old text. [text]")
    ] = None,
    shift: Annotated[str | None, typer.Option(help="From old to new: `weak` or `strong`.")] = None,
    budget: Annotated[
        str | None,
        typer.Option(help="Tokens (50M), passes over the text (1x) or hours (6h)."),
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="`laptop`, `gpus`, or the address of a Ray cluster.")
    ] = None,
    gpus: Annotated[str | None, typer.Option(help="How many GPUs there are.")] = None,
    gpu: Annotated[str | None, typer.Option(help="Their kind, such as H100.")] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            envvar=STORAGE_VARIABLE,
            help="Of the command that trains it: a folder, or s3:// or gs:// URL.",
        ),
    ] = None,
    max_lr: Annotated[
        str | None, typer.Option(help="Highest rate of the model's own training, or `unknown`.")
    ] = None,
    more: Annotated[
        bool | None, typer.Option("--more/--no-more", help="Whether more text will come later.")
    ] = None,
    baselines: Annotated[
        bool, typer.Option("--baselines/--no-baselines", help="With union, scratch and so on.")
    ] = True,
    sequence_length: Annotated[
        int | None, typer.Option(min=16, help="Tokens of a row; by default what fits.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing: take defaults where there are some.")
    ] = False,
) -> None:
    """Write a recipe from a few answers, with the reason for each line; every answer is an option.

    The recipe is planned before it is written, and nothing is overwritten. Without a terminal
    nothing is asked.

    Example: `raycl init my.yaml --model ./base --new 'data/*.jsonl' --old english --shift weak`
    """
    from raycl.cli.init_questions import Given
    from raycl.cli.interview import Interview, is_terminal

    _check_new(file)
    given = Given(
        model=model,
        random=random,
        new=_joined(new),
        text_field=text_field,
        old=_joined(old),
        old_text_field=old_text_field,
        shift=shift,
        cluster=cluster,
        gpus=gpus,
        gpu=gpu,
        storage=storage,
        max_lr=max_lr,
        more=more,
        budget=budget,
        baselines=baselines,
        sequence_length=sequence_length,
    )
    interview = Interview(asks=is_terminal() and not yes)
    if not interview.asks:
        _check_needed(given)
    write_first_recipe(file, interview, given)


def write_first_recipe(file: Path, interview: Interview, given: Given) -> None:
    """Ask what is not given, plan, write, and say what comes next. Raises InputError."""
    from raycl.cli.plan_view import print_plan
    from raycl.storage import Storage

    console = Console()
    try:
        asked = _asked(file, interview, given)
        answers, starter, found = _planned(file, *asked)
    except InputError:
        if interview.asks and interview.answers:
            command = _command(file, interview, given)
            console.print(f"\nThe answers so far: {command}", markup=False, soft_wrap=True)
        raise
    for sentence in found.warnings:
        Console(stderr=True).print(sentence, markup=False, soft_wrap=True)
    print_plan(found.plan.cost, console, prepared=False)
    for sentence in (*found.remarks, *starter.remarks):
        console.print(sentence, markup=False, soft_wrap=True)
    if Storage(str(file.absolute().parent)).create(file.name, starter.text.encode()) is None:
        raise _there(file)
    console.print(f"\nWritten: {file}. Read it; then train it:", markup=False, soft_wrap=True)
    console.print(
        f"  {next_command(file, answers, asked[-1].storage)}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def next_command(file: Path, answers: Answers, storage: str) -> str:
    """The command that trains the recipe."""
    command = ["raycl", "sweep", str(file), "--storage", storage]
    command += ["--gpus"] if answers.place.gpus else []
    command += ["--address", answers.place.address] if answers.place.address else []
    return shlex.join(command)


Asked = tuple["GivenModel", "GivenText", "GivenText | None", "Choices"]


def _asked(file: Path, interview: Interview, given: Given) -> Asked:
    from raycl.cli import init_questions as ask
    from raycl.recipe.starter.compose import Choices

    model = ask.ask_model(interview, given)
    has_weights = model.answer is not None and model.answer.given
    new = ask.ask_new(interview, given)
    old = ask.ask_old(interview, given, has_weights, new.seen)
    shift = ask.ask_shift(interview, given) if old is not None else None
    place = ask.ask_place(interview, given)
    storage = ask.ask_storage(interview, given, place, file.stem)
    max_lr, more = ask.ask_rest(interview, given, has_weights)
    budget = ask.ask_budget(interview, given)
    command = _command(file, interview, given)
    choices = Choices(
        name=file.stem,
        shift=shift,
        budget=budget,
        place=place,
        storage=storage,
        max_lr=max_lr,
        more=more,
        baselines=given.baselines,
        sequence_length=given.sequence_length,
        command=command,
    )
    return model, new, old, choices


def _planned(
    file: Path,
    model: GivenModel,
    new: GivenText,
    old: GivenText | None,
    choices: Choices,
) -> tuple[Answers, Starter, Preview]:
    """The recipe with as few workers as hold its model, and its plan. Raises InputError."""
    from raycl.recipe.definition import define_document
    from raycl.recipe.starter.compose import composed
    from raycl.recipe.starter.place import machine, with_workers
    from raycl.recipe.starter.refusal import refused
    from raycl.recipe.starter.write import starter_recipe
    from raycl.recipe.yaml import parse_document
    from raycl.sweep.preview import preview

    answers = composed(model, new, old, choices)
    refusal: InputError | None = None
    for place in with_workers(choices.place):
        answers = replace(answers, place=place)
        starter = starter_recipe(answers)
        try:
            definition = define_document(parse_document(starter.text, str(file)), str(file))
            found = preview(definition, None, place.gpus > 0, machine(place))
        except InputError as error:
            refusal = refusal or refused(error, str(file))
            continue
        return answers, starter, found
    raise refusal or AssertionError("there is always a place")


def _command(file: Path, interview: Interview, given: Given) -> str:
    """The command that gives the same answers without a question."""
    words = ["raycl", "init", str(file)]
    for flag, answer in interview.answers.items():
        if flag == "--more":
            words.append("--more" if answer.startswith("y") else "--no-more")
        else:
            words += [flag, answer]
    words += ["--random"] if given.random else []
    words += [] if given.baselines else ["--no-baselines"]
    length = given.sequence_length
    words += [] if length is None else ["--sequence-length", str(length)]
    return shlex.join([*words, "--yes"])


def _joined(values: list[str] | None) -> str | None:
    """Several values as one answer; one alone as it is, so that a path may have spaces."""
    if not values:
        return None
    return values[0] if len(values) == 1 else shlex.join(values)


def _check_needed(given: Given) -> None:
    """Raise one InputError for all answers that have no default and are not given."""
    from raycl.cli.init_questions import NEEDED
    from raycl.cli.interview import missing
    from raycl.recipe.starter.text import NONE

    there = {"--model": given.model, "--new": given.new, "--old": given.old}
    lacking = [flag for flag, answer in there.items() if answer is None]
    if given.shift is None and given.old != NONE:
        lacking.append("--shift")
    if lacking:
        raise missing({flag: NEEDED[flag] for flag in lacking})


def _check_new(file: Path) -> None:
    if file.exists() or file.is_symlink():
        raise _there(file)
    if not file.absolute().parent.is_dir():
        raise InputError(str(file), "its folder is not there", "Make it, or give another file")
    if file.suffix not in (".yaml", ".yml") or not _NAME.fullmatch(file.stem):
        remedy = "Give letters, digits, '_' and '-' with .yaml: the sweep is called so"
        raise InputError(str(file), "no name for a recipe", remedy)


def _there(file: Path) -> InputError:
    return InputError(str(file), "it is there, and nothing is overwritten", "Give another name")
