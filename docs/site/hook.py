"""Adds the generated pages when mkdocs builds the site; mkdocs.yml names this file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from docs.site.command_reference import command_reference
from docs.site.error_reference import error_reference
from docs.site.included import PAGES, included_page, with_links
from docs.site.recipe_reference import recipe_reference

_GENERATED: dict[str, Callable[[], str]] = {
    "reference/recipe.md": recipe_reference,
    "reference/commands.md": command_reference,
    "reference/errors.md": error_reference,
}


def generated_pages() -> Iterator[tuple[str, str]]:
    """(path in the site, Markdown) of all pages that are not files in docs/."""
    for path, make in _GENERATED.items():
        yield path, make()
    for path in PAGES:
        yield path, included_page(path)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Mkdocs calls this for each page; links out of docs/ lead to the copies in the site."""
    del config, files
    is_written = page.file.generated_by is None
    return with_links(markdown, Path("docs")) if is_written else markdown


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Mkdocs calls this after it has listed the files of docs/."""
    for path, text in generated_pages():
        files.append(File.generated(config, path, content=text))
    return files
