"""The working directory of a job: raycl's code, the recipe, and small files that belong to it.

These are the files that the recipe names, a scale file and a file of prices.

The code is the package `raycl` that is installed here, from a repository or from a wheel, with the
recipes that come with it. So a job runs exactly the version that submitted it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from raycl.data.prepare.inputs import search_files
from raycl.data.prepare.readers import reader_named
from raycl.errors import InputError
from raycl.recipe import Corpus
from raycl.recipe.definition import Definition
from raycl.recipe.packaged import find_recipe, recipe_folder
from raycl.units import format_memory

SMALL_BYTES = 32 * 2**20
"""Largest size of what one path of a recipe may add to a job; more belongs into the storage."""
LIMIT_BYTES = 100 * 2**20
"""Ray's dashboard refuses larger requests (DASHBOARD_CLIENT_MAX_SIZE), and a job is one request."""

_SHOWN = 3


@dataclass(frozen=True)
class Package:
    """The files of a job, by their path in its working directory."""

    recipe: str
    """Path of the recipe in the working directory, or the name of one that comes with raycl."""
    scale: str | None
    """The word after `--scale`: a name, or the path of a scale file in the working directory."""
    files: Mapping[str, Path]
    """Path in the working directory, and the file here that is copied to it."""
    notes: tuple[str, ...]
    """One sentence for each path of the recipe that is left behind, with the reason."""
    prices: str | None = None
    """Path of the file of prices in the working directory."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.stat().st_size for file in self.files.values())

    def copy_to(self, folder: Path) -> None:
        """Write the working directory into a folder."""
        for name, file in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / name)


def make_package(
    definition: Definition, recipe: Path, scale: str | None, here: Path, prices: Path | None = None
) -> Package:
    """Collect the working directory of a job that runs a recipe, submitted from the folder `here`.

    Only the files named in the module's docstring are sent: no .git, no results, no hidden file.
    Raises InputError where all files together are larger than Ray accepts, and where two files from
    elsewhere have one name.
    """
    here = here.resolve()
    files = _code(Path(__file__).resolve().parents[1])
    found, notes = find_recipe(recipe), []
    inside = found.where if found.is_named else _place(found.file, here)
    if not found.is_named:
        files[inside] = found.file
    if scale is not None and scale.endswith((".yaml", ".yml")):
        scale = _add(files, Path(scale), here)
    told = None if prices is None else _add(files, prices, here)
    models = {variant.recipe.model.pretrained for variant in definition.variants}
    for path in named_paths(definition):
        named, note = _named(path, here)
        if note and path in models and not path.startswith(("/", "~")):
            raise _model_stays(path, note)
        files |= named
        notes += [note] if note else []
    package = Package(inside, scale, files, tuple(notes), told)
    _check_size(package)
    return package


def _model_stays(path: str, note: str) -> InputError:
    """The error for a pretrained model that the job would not find where it runs."""
    return InputError(
        f"model.pretrained {path!r}",
        note.partition(":")[0],
        f"Run `raycl models add {path} --storage URL` with the storage of the job, and write the "
        "identifier that it prints in place of the path",
    )


def named_paths(definition: Definition) -> list[str]:
    """Return the local paths, globs and hub names in the recipes of a sweep, each once; no URLs."""
    words: list[str] = []
    for variant in definition.variants:
        recipe = variant.recipe
        words += [word for corpus in recipe.corpora.values() for word in files_named(corpus)]
        words += [corpus.dataset for corpus in recipe.corpora.values() if corpus.dataset]
        changed = recipe.model.vocabulary.tokenizer if recipe.model.vocabulary else None
        named = (recipe.tokenizer.load, recipe.model.pretrained, changed)
        words += [word for word in named if word]
    return [word for word in dict.fromkeys(words) if "://" not in word]


def files_named(corpus: Corpus) -> tuple[str, ...]:
    """The files and patterns that a corpus of a recipe names."""
    tokens = reader_named("megatron").files
    return (*corpus.text, *(file for word in corpus.tokens for file in tokens(word)))


def _code(package: Path) -> dict[str, Path]:
    """All files of the installed package, and its recipes, wherever these lie."""
    recipes = recipe_folder()
    own = sorted(recipes.rglob("*.yaml"))
    files = {Path(package.name, "configs", file.relative_to(recipes)): file for file in own}
    files |= {
        file.relative_to(package.parent): file
        for file in sorted(package.rglob("*"))
        if file.is_file() and not file.is_relative_to(recipes)
    }
    return {path.as_posix(): file for path, file in files.items() if not _hidden(path)}


def _place(file: Path, here: Path) -> str:
    """Path in the working directory: the same as below `here`; a file from elsewhere at the top."""
    path = file.resolve()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else path.name


def _add(files: dict[str, Path], file: Path, here: Path) -> str:
    """Add a file to those of a job, and return its path there. Raises InputError."""
    place = _place(file, here)
    if files.setdefault(place, file).resolve() != file.resolve():
        problem = f"in the job it would take the place of {files[place]}"
        raise InputError(str(file), problem, "Give one of the two another name")
    return place


def _named(word: str, here: Path) -> tuple[dict[str, Path], str | None]:
    """The files that a word of the recipe names, or the reason why they are left behind."""
    if word.startswith(("/", "~")) or ".." in Path(word).parts:
        return {}, f"{word} is not sent: the cluster's nodes must have it at that place"
    # A link may lead out of the folder, to a file that the user did not mean to send.
    found = [file for file in _matches(here, word) if file.resolve().is_relative_to(here)]
    size = sum(file.stat().st_size for file in found)
    if size > SMALL_BYTES:
        return {}, (
            f"{word} is not sent ({format_memory(size)}): put it where the nodes read it, or run "
            "`raycl prepare` with the same --storage first"
        )
    return {file.relative_to(here).as_posix(): file for file in found}, None


def _matches(here: Path, word: str) -> Iterator[Path]:
    """Files at a path, below a folder, or that match a glob; none for a name on a hub."""
    place = here / word
    candidates: Iterable[Path] = [place]
    if place.is_dir():
        candidates = sorted(place.rglob("*"))
    elif not place.exists():
        candidates = sorted(Path(file.path) for file in search_files(str(here / word)).found)
    for file in candidates:
        if file.is_file() and not _hidden(file.relative_to(here)):
            yield file


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.parts)


def _check_size(package: Package) -> None:
    if package.size < LIMIT_BYTES:
        return
    largest = sorted(package.files.items(), key=lambda item: -item[1].stat().st_size)[:_SHOWN]
    shown = ", ".join(f"{name} {format_memory(file.stat().st_size)}" for name, file in largest)
    raise InputError(
        "working directory of the job",
        f"{format_memory(package.size)}, and Ray takes {format_memory(LIMIT_BYTES)}; "
        f"largest: {shown}",
        "Put text and models where the nodes read them, such as s3://",
    )
