"""A search before it begins: its first proposals, which nothing records."""

from __future__ import annotations

from collections.abc import Callable

from raycl.recipe.definition import Definition, with_proposals
from raycl.recipe.resolution import Resolution
from raycl.search.study import Spent, Study
from raycl.search.text import preview_text, search_texts
from raycl.storage import Storage

_SHOWN = 4


def with_preview(
    definition: Definition,
    storage: Storage | None,
    resolution: Resolution,
    spent: Callable[[], Spent] | None = None,
) -> tuple[Definition, list[str]]:
    """The definition with the recipes of its search, and sentences on the search.

    These are its proposals; where there is none yet, the first few that there would be. Raises
    InputError where the search cannot be made, and where a recipe that it proposes cannot be
    trained.
    """
    study = Study(definition, storage, resolution, spent)
    said = search_texts(study)
    if study.proposals:
        return study.definition, said
    shown = study.preview(_SHOWN)
    both = (*study.definition.proposals, *shown)
    return with_proposals(study.definition, both), [*said, preview_text(study, shown)]
