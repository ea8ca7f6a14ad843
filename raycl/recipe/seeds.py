"""The recipes of other seeds: the same recipe with other draws, and corpora of their own names.

Number 0 is the recipe as it is without `seeds`, so that its states have the names that they have
anyway. Another number has its own initial weights, and its own corpora: the same text prepared with
another seed, under the name `english.seed1`. Everything below a recipe then works as it does for
any two recipes; results give the corpora their first names back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeVar

from raycl.errors import InputError, shown
from raycl.plan.frozen import FrozenDict, frozen
from raycl.recipe.schema import ChangingMixture, Corpus, Recipe, Stage
from raycl.recipe.schema.common import LONGEST_NAME
from raycl.recipe.schema.seeds import CorpusOfSeed, Seeds
from raycl.recipe.seed import draws

V = TypeVar("V")
_ONE = Seeds(count=1)


def seeds_of(recipe: Recipe) -> Seeds:
    """How often the recipe is trained: once where it does not say so."""
    return recipe.seeds or _ONE


def seeded_label(label: str, number: int) -> str:
    """The label of a recipe by that of its setting; number 0 has the setting's own."""
    return f"{label}, seed {number}" if number else label


def corpus_name(name: str, seeds: Seeds, number: int) -> str:
    """What a corpus is called in the storage for one of the seeds: `english.seed1`.

    The word tells what varies, so that corpora of sweeps that vary other things do not meet.
    """
    if not number or not seeds.varies_corpora:
        return name
    both = {"order", "held_out"} <= set(seeds.vary)
    word = "seed" if both else "order" if "order" in seeds.vary else "held-out"
    return f"{name}.{word}{number}"


def corpora_of_seeds(recipe: Recipe) -> dict[str, Corpus]:
    """The corpora of the recipe, followed by those of its other seeds, by name.

    Raises InputError where two of them would have one name, or too long a one.
    """
    found = dict(recipe.corpora)
    seeds = seeds_of(recipe)
    for number in range(1, seeds.count if seeds.varies_corpora else 1):
        for name, corpus in _corpora(recipe, seeds, number).items():
            if name in found:
                problem = f"seed {number} prepares a corpus of this name, and the recipe has one"
                raise InputError(f"corpora.{shown(name)}", problem, "Give it another name")
            if len(name) > LONGEST_NAME:
                problem = f"its name with a seed has {len(name):,} characters"
                remedy = f"Give the corpus a shorter name: at most {LONGEST_NAME} with .seed1"
                raise InputError(f"corpora.{shown(name)}", problem, remedy)
            found[name] = corpus
    return found


def numbered(recipe: Recipe, seeds: Seeds, number: int) -> Recipe:
    """The recipe with the draws of one of its seeds, and without `seeds`."""
    update: dict[str, Any] = {"seeds": None}
    if number and "weights" in seeds.vary:
        update["seed"] = recipe.seed + number
    if number and seeds.varies_corpora:
        names = {name: corpus_name(name, seeds, number) for name in recipe.corpora}
        update["corpora"] = FrozenDict(_corpora(recipe, seeds, number))
        update["stages"] = tuple(_renamed(stage, names) for stage in recipe.stages)
        knows = _with_names(recipe.model.knows, names)
        update["model"] = recipe.model.model_copy(update={"knows": knows})
    return recipe.model_copy(update=update)


def check_varies(recipe: Recipe, recipes: list[Recipe]) -> None:
    """Raise InputError where seeds vary nothing, or do not go with another field of the recipe.

    `recipes` are those of the sweep as number 0 has them.
    """
    seeds = seeds_of(recipe)
    if seeds.count == 1:
        return
    for field in ("search", "merge_search"):
        if getattr(recipe, field) is not None:
            raise InputError(
                "seeds",
                f"with `{field}` every recipe is trained once",
                f"Leave one of the two out: first find a setting with `{field}`, then train it and "
                "its neighbours as a grid with seeds",
            )
    if any(field == "seed" for grid in recipe.sweep for field in grid):
        problem = "sweep.seed gives recipes their seeds already"
        raise InputError("seeds", problem, "Leave sweep.seed out, or `seeds`")
    if not seeds.varies_corpora and not all(map(draws, recipes)):
        raise InputError(
            "seeds.vary",
            "with a pretrained model without adapters no weights are drawn: all seeds would be the "
            "same training",
            "Give vary: [order, held_out], or leave `vary` out",
        )


def seeds_text(recipes: Sequence[Recipe], steps: int, further: int) -> str:
    """A sentence for people on the seeds and what they cost; empty where there is one seed.

    `recipes` are that of the file and the sweep's, `steps` all of its steps, and `further` those of
    the seeds after the first.
    """
    seeds = seeds_of(recipes[0])
    if seeds.count == 1:
        return ""
    what = seeds.what(any(draws(each) or "scratch" in each.baselines for each in recipes))
    text = f"{seeds.count} seeds, each with its own {what}: {further:,} of {steps:,} steps "
    again = "; the text is tokenised and kept once more for each" if seeds.varies_corpora else ""
    return f"{text}are those of the seeds after the first{again}."


def _corpora(recipe: Recipe, seeds: Seeds, number: int) -> dict[str, Corpus]:
    return {
        corpus_name(name, seeds, number): _drawn_again(name, corpus, seeds, number)
        for name, corpus in recipe.corpora.items()
    }


def _drawn_again(name: str, corpus: Corpus, seeds: Seeds, number: int) -> Corpus:
    split = corpus.seed if corpus.held_out_seed is None else corpus.held_out_seed
    fields = {field: getattr(corpus, field) for field in Corpus.model_fields}
    fields["seed"] = corpus.seed + number * ("order" in seeds.vary)
    split += number * ("held_out" in seeds.vary)
    fields["held_out_seed"] = None if split == fields["seed"] else split
    # The fields are valid already, and a default that was not written stays one.
    given = corpus.model_fields_set | {"seed"}
    return CorpusOfSeed.model_construct(given, base=name, number=number, **fields)


def _renamed(stage: Stage, names: Mapping[str, str]) -> Stage:
    """The stage with other names of its corpora, in its changes too."""
    update = _named_fields(stage, names)
    if not stage.mixture:
        update["mixture"] = frozen({names.get(stage.name, stage.name): Fraction(1)})
    changes = [c.model_copy(update=_named_fields(c, names)) for c in stage.changes]
    return stage.model_copy(update={**update, "changes": tuple(changes)})


def _named_fields(owner: Any, names: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a stage, or of a change inside it, that name corpora."""
    fields = ("mixture", "replay", "loss_weight", "max_epochs")
    found = {field: getattr(owner, field) for field in fields}
    return {
        field: _with_names(value, names)
        for field, value in found.items()
        if isinstance(value, Mapping | ChangingMixture)
    }


def _with_names(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, ChangingMixture):
        ends = {"before": value.before, "to": value.to}
        return value.model_copy(update={k: _with_names(v, names) for k, v in ends.items()})
    return frozen({names.get(name, name): inner for name, inner in value.items()})
