"""A recipe file becomes a definition, and with its corpora's facts trainings; needs no cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from raycl.data.binding import bind, check_binding
from raycl.data.manifest import Manifest, load_manifest
from raycl.errors import InputError, shown, within
from raycl.plan.frozen import frozen
from raycl.plan.training import Training
from raycl.plan.tree import Tree, build_tree
from raycl.recipe import (
    CorpusFacts,
    Recipe,
    Resolver,
    Variant,
    expand,
    parse_recipe,
    with_field,
)
from raycl.recipe.checks import check_fields
from raycl.recipe.load import fields_of
from raycl.recipe.packaged import find_recipe
from raycl.recipe.proposals import Proposal, read_proposals
from raycl.recipe.rates import check_rates
from raycl.recipe.resolution import Resolution
from raycl.recipe.same_repetition import Scaling
from raycl.recipe.sample import sampled_rows
from raycl.recipe.scale import scaled, scaling
from raycl.recipe.seeds import corpora_of_seeds
from raycl.recipe.space import check_space, corners
from raycl.recipe.tokenizer_facts import planned_vocabulary
from raycl.recipe.yaml import Document, parse_document, read_document
from raycl.storage import Storage, layout

_MOST_STEPS = 10**8
"""Steps of all recipes of a sweep, shared ones counted in each: planning looks at all of them."""

_UNKNOWN_ROWS = 2**40
"""Rows of a corpus that is not prepared yet: enough for any recipe, checked again afterwards."""

LEAST_SHARED = 5
"""Steps that recipes must share at least to train them in a common node.

Starting a node and saving its state costs about as much as five steps of a small model; beside the
steps of a large one it costs nothing."""


@dataclass(frozen=True)
class Definition:
    """A recipe file, read and expanded."""

    data: Mapping[str, Any]
    where: str
    recipe: Recipe
    variants: tuple[Variant, ...]
    proposals: tuple[Proposal, ...] = ()
    """What was added to the sweep, by number; `variants` has its recipes."""

    @cached_property
    def material(self) -> Recipe:
        """The recipe with the corpora of all its seeds, as they are prepared. Raises InputError."""
        found = corpora_of_seeds(self.recipe)
        return self.recipe.model_copy(update={"corpora": frozen(found)})

    @property
    def is_search(self) -> bool:
        """Whether its recipes are proposed one after another."""
        return self.recipe.search is not None

    @property
    def examples(self) -> tuple[Recipe, ...]:
        """Recipes that tell what all others may need: those of the sweep, and a search's bounds."""
        found = tuple(variant.recipe for variant in self.variants)
        if not self.is_search:
            return found
        bounds = tuple(recipe for _, recipe in corners(self.data, self.recipe))
        return (*found, self.recipe, *bounds)

    def proposed(self, number: int) -> tuple[Variant, ...]:
        """The recipe of a proposal, with its anneal branches."""
        return tuple(variant for variant in self.variants if number in variant.proposals)


def define(path: Path, overrides: Sequence[str] = (), scale: str | None = None) -> Definition:
    """Read a recipe with its overrides, then apply a scale to it.

    `path` is that of its file, or the name of a recipe that comes with raycl. Raises InputError.
    """
    found = find_recipe(path)
    return define_document(read_document(found.file), found.where, overrides, scale)


def define_document(
    document: Document, where: str, overrides: Sequence[str] = (), scale: str | None = None
) -> Definition:
    """The definition in a document with its overrides, at a scale. Raises InputError."""
    data = fields_of(document, where)
    for override in overrides:
        data = _overridden(data, override)
    recipe = parse_recipe(data, where, document)
    check_fields(recipe, where, [override.partition("=")[0].strip() for override in overrides])
    check_space(data, recipe, where)
    if scale is None:
        made = definition_of(data, where)
    else:
        made = definition_of(scaled(data, scale, where), f"{where} --scale {scale}")
    check_rates((variant.recipe for variant in made.variants), made.where)
    return made


def scaling_of(path: Path, overrides: Sequence[str], scale: str) -> Scaling:
    """What a scale does to the tokens and the corpora of a recipe. Raises InputError."""
    found = find_recipe(path)
    data = fields_of(read_document(found.file), found.where)
    for override in overrides:
        data = _overridden(data, override)
    return scaling(data, scale, found.where)


def _overridden(data: Mapping[str, Any], override: str) -> dict[str, Any]:
    field, value = written_override(override)
    return with_field(data, field, value, f"--set {shown(override)}")


def written_override(override: str) -> tuple[str, Any]:
    """The field and the value of `--set german.replay=5%`. Raises InputError."""
    where = f"--set {shown(override)}"
    field, equals, value = override.partition("=")
    if not equals or not field.isprintable():
        problem = "no '='" if not equals else "the field's name is no text"
        raise InputError(where, problem, "Write --set german.replay=5%")
    return field.strip(), parse_document(value, where).data


def definition_of(
    data: Mapping[str, Any], where: str, proposals: Sequence[Proposal] = ()
) -> Definition:
    """The definition in a recipe's data, and in what was added to its sweep.

    `where` names it in errors.
    """
    variants = tuple(expand(data, where, proposals=proposals))
    made = Definition(data, where, parse_recipe(data, where), variants, tuple(proposals))
    with within(where):
        corpora_of_seeds(made.recipe)  # raises for names that do not go with each other
    return made


def with_proposals(definition: Definition, proposals: Sequence[Proposal]) -> Definition:
    """The same recipe file with what was added to its sweep. Raises InputError."""
    if tuple(proposals) == definition.proposals:
        return definition
    return definition_of(definition.data, definition.where, proposals)


def with_stored_proposals(definition: Definition, storage: Storage | None) -> Definition:
    """The same recipe file with what a storage says was added to its sweep. Raises InputError."""
    return with_proposals(definition, read_proposals(storage, definition.recipe.name))


def read_manifests(
    definitions: Sequence[Definition], storage: Storage | None
) -> dict[str, Manifest]:
    """The manifests of the definitions' corpora that are prepared, by name; each is read once."""
    if storage is None:
        return {}
    names = dict.fromkeys(name for made in definitions for name in made.material.corpora)
    folders = {name: layout.corpus(name) for name in names}
    return {
        name: load_manifest(storage, folder)
        for name, folder in folders.items()
        if storage.exists(layout.manifest(folder))
    }


def corpus_facts(definition: Definition, storage: Storage | None) -> dict[str, CorpusFacts]:
    """What planning needs of each corpus; a corpus that is not prepared counts as endless."""
    manifests = read_manifests((definition,), storage)
    if storage is not None:
        check_bindings(storage, manifests)
    return facts_from(definition, manifests)


def facts_from(definition: Definition, manifests: Mapping[str, Manifest]) -> dict[str, CorpusFacts]:
    """The facts of a definition's corpora by their manifests; see `corpus_facts`.

    Raises InputError where they were prepared with more than one tokenizer.
    """
    facts = {}
    tokenizers: dict[str, str] = {}
    vocabulary = None
    for name in definition.material.corpora:
        folder = layout.corpus(name)
        manifest = manifests.get(name)
        if manifest is None:
            vocabulary = vocabulary or planned_vocabulary(definition.recipe, definition.where)
            facts[name] = _unprepared(definition.material, name, folder, vocabulary)
            continue
        facts[name] = CorpusFacts(
            folder,
            _read_rows(definition, name, manifest),
            manifest.validation.rows,
            manifest.row_length,
            manifest.vocabulary,
            manifest.fingerprint,
            manifest.seed,
        )
        tokenizers[manifest.tokenizer] = name
    if len(tokenizers) > 1:
        first, second = list(tokenizers.values())[:2]
        raise InputError(
            f"{definition.where}: corpora {first!r} and {second!r}",
            "prepared with different tokenizers",
            "Prepare one of them anew under another name, with the tokenizer of the other",
        )
    return facts


def _read_rows(definition: Definition, name: str, manifest: Manifest) -> int:
    """The training rows that the recipe reads of a corpus: all, or a sample of them."""
    where = f"{definition.where}: corpora.{name}.sample"
    sample = definition.material.corpora[name].sample
    return sampled_rows(sample, manifest.train.rows, manifest.row_length - 1, where)


def is_prepared(facts: Mapping[str, CorpusFacts]) -> bool:
    """Whether every corpus has its shards, so that states have their true names."""
    return all(entry.rows != _UNKNOWN_ROWS for entry in facts.values())


def trainings(
    definition: Definition,
    facts: Mapping[str, CorpusFacts],
    resolution: Resolution | None = None,
) -> dict[str, Training]:
    """The whole training of every recipe, by label. Raises InputError.

    Without a resolution, recipes that start from a checkpoint are refused.
    """
    _check_validation(definition, facts)
    resolver, steps = Resolver(facts, resolution, definition.recipe.counted_validation), 0
    made = {}
    for variant in definition.variants:
        where = f"{definition.where} ({variant.label})"
        made[variant.label] = resolver.resolve(variant.recipe, where, variant.branch)
        steps += made[variant.label].chain.steps
        if steps > _MOST_STEPS:
            raise InputError(
                f"{definition.where}: sweep",
                f"its {len(definition.variants):,} recipes have more than {_MOST_STEPS:,} steps",
                "Give fewer recipes, or fewer steps",
            )
    return made


def make_tree(definition: Definition, facts: Mapping[str, CorpusFacts]) -> Tree:
    """The tree of a definition's recipes. Raises InputError."""
    return build_tree(trainings(definition, facts), LEAST_SHARED)


def bind_corpora(storage: Storage, facts: Mapping[str, CorpusFacts]) -> None:
    """Record in storage on which data nodes are trained, for each corpus without such a record."""
    for name, entry in facts.items():
        bind(storage, name, entry.fingerprint)


def check_bindings(storage: Storage, manifests: Mapping[str, Manifest]) -> None:
    """Raise InputError where a corpus is not the one on which nodes here were trained."""
    for name, manifest in manifests.items():
        check_binding(storage, name, manifest.fingerprint)


def _check_validation(definition: Definition, facts: Mapping[str, CorpusFacts]) -> None:
    if not definition.recipe.validation.is_counted:
        return  # of a corpus with fewer rows all are taken
    recipes = [definition.recipe, *(variant.recipe for variant in definition.variants)]
    wanted = max(recipe.counted_validation.rows for recipe in recipes)
    for name, entry in facts.items():
        if entry.validation_rows < wanted:
            raise InputError(
                f"{definition.where}: validation.rows {wanted}",
                f"corpus {name!r} has {entry.validation_rows} validation rows",
                f"Give {entry.validation_rows} or fewer, or hold out more of the corpus",
            )


def _unprepared(recipe: Recipe, name: str, folder: str, vocabulary: int) -> CorpusFacts:
    length = recipe.sequence_length + 1
    fingerprint, seed = name.encode().hex() + "0" * 16, recipe.corpora[name].seed
    return CorpusFacts(folder, _UNKNOWN_ROWS, _UNKNOWN_ROWS, length, vocabulary, fingerprint, seed)
