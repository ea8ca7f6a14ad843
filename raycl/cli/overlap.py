"""`raycl overlap`: what the corpora of a recipe repeat of each other, and of what is held out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from raycl.cli.options import Overrides, RecipeFile, Scale, StorageUrl
from raycl.cli.output import LastingConsole
from raycl.errors import InputError
from raycl.units import format_bytes

if TYPE_CHECKING:
    from raycl.data.overlap.record import Overlap, OverlapReport


def overlap(  # noqa: PLR0913 (each is an option of the command)
    recipe: RecipeFile,
    storage: StorageUrl,
    threshold: Annotated[
        float, typer.Option(help="Jaccard similarity from which documents are near-duplicates.")
    ] = 0.8,
    ngram: Annotated[int, typer.Option(help="Tokens of the n-grams that are compared.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    overrides: Overrides = None,
    scale: Scale = None,
) -> None:
    """Find documents of a recipe's prepared corpora that nearly repeat others.

    Compares the training text of each corpus with that of the others, with its own, and with what
    is held out. Reads the token shards in the storage; the text may be gone. Needs no cluster.

    Example: `raycl overlap my.yaml --storage runs/my --threshold 0.7`
    """
    from raycl.data.overlap import OverlapOptions, find_overlaps
    from raycl.recipe.definition import define, read_manifests
    from raycl.storage import Storage, layout
    from raycl.storage.record import record_bytes, write_record

    options = OverlapOptions(threshold, ngram)
    place, definition = Storage(storage), define(recipe, overrides or (), scale)
    manifests = read_manifests((definition,), place)
    missing = [name for name in definition.recipe.corpora if name not in manifests]
    if missing:
        raise InputError(
            f"corpora.{missing[0]}", "it is not prepared in this storage", "Run `raycl prepare`"
        )
    place.check_writable()
    say = LastingConsole().say if not as_json else (lambda _: None)
    found = find_overlaps(
        place,
        manifests,
        definition.recipe.name,
        options,
        lambda what, done, total: say(f"overlap: {what} {done}/{total}"),
    )
    write_record(place, layout.overlaps(definition.recipe.name), found)
    if as_json:
        print(record_bytes(found).decode())
    else:
        _print(found, Console())
        print(f"Written to {place.full_path(layout.overlaps(definition.recipe.name))}")


def _print(report: OverlapReport, console: Console) -> None:
    from raycl.data.overlap.record import sentences

    rows = [found for found in report.overlaps if found.documents]
    if not rows:
        console.print(
            f"No document repeats another (Jaccard {report.threshold:g} of {report.ngram} tokens)."
        )
        return
    console.print(_table(rows))
    for sentence in sentences(report):
        console.print(escape(sentence), soft_wrap=True)
    for found in rows:
        _print_example(found, console)


def _table(rows: Sequence[Overlap]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for column in ("documents of", "repeat", "documents", "of", "text", "share"):
        left = column in ("documents of", "repeat")
        table.add_column(column, justify="left" if left else "right")
    for row in rows:
        held_out = " (held out)" if row.is_contamination else ""
        table.add_row(
            escape(row.corpus + held_out),
            escape("others of it" if row.other == row.corpus and not held_out else row.other),
            f"{row.documents:,}",
            f"{row.of_documents:,}",
            format_bytes(row.bytes),
            f"{row.share:.2%}",
        )
    return table


def _print_example(found: Overlap, console: Console) -> None:
    for example in found.examples[:1]:
        texts = [" ".join(text.split())[:70] for text in (example.text, example.other)]
        console.print(
            escape(
                f"  {found.corpus} / {found.other}, {example.similarity:.2f}: "
                f"“{texts[0]}…” / “{texts[1]}…”"
            ),
            soft_wrap=True,
        )
