"""The commands on text: fetch it, and turn it into token shards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from raycl.cli.options import Address, Overrides, RecipeFile, Scale, StorageUrl
from raycl.cli.output import LastingConsole


def fetch(
    names: Annotated[list[str], typer.Argument(help="Corpora, such as english german.")],
    to: Annotated[Path, typer.Option(help="Folder for the JSONL files.")],
) -> None:
    """Fetch real corpora for a first run: from Debian packages, or from the Hugging Face hub.

    Example: `raycl fetch english german --to text`
    """
    from raycl.data import corpora

    for name in names:
        print(corpora.fetch(name, to))


def prepare(
    recipe: RecipeFile,
    storage: StorageUrl,
    address: Address = None,
    overrides: Overrides = None,
    scale: Scale = None,
) -> None:
    """Turn the text of a recipe into token shards. Continues where it was interrupted.

    Example: `raycl prepare my.yaml --storage s3://bucket/my`
    """
    from raycl.cluster.connect import cluster
    from raycl.cluster.options import ClusterOptions
    from raycl.recipe.definition import (
        check_bindings,
        define,
        facts_from,
        is_prepared,
        read_manifests,
    )
    from raycl.recipe.sweep_plan import resolve_inputs
    from raycl.storage import Storage
    from raycl.sweep.corpora_of_seeds import report_conflicts
    from raycl.sweep.new_tokens import make_extensions
    from raycl.sweep.prepare_corpora import (
        check_corpora,
        prepare_all,
        ready_text,
    )

    say = LastingConsole().say
    place, definition = Storage(storage), define(recipe, overrides or (), scale)
    place.check_writable()
    manifests = read_manifests((definition,), place)
    resolution = resolve_inputs((definition,), place)
    for note in resolution.notes:
        say(note)
    resolution = make_extensions((definition,), resolution, place, manifests, say)
    recipe_file, own = definition.where, resolution.own_tokenizer
    material = definition.material
    check_corpora(material, place, recipe_file, manifests, own)
    check_bindings(place, manifests)
    if is_prepared(facts_from(definition, manifests)):
        say("Every corpus is prepared already.")
        report_conflicts(place, manifests, say, material)
        return
    sources = ready_text(material, place, recipe_file, say, own)
    with cluster(ClusterOptions(address)):
        prepare_all(material, sources, place, say, own)
