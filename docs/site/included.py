"""Pages of the site that stand elsewhere in the repository, where people look for them."""

from __future__ import annotations

import os
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {
    "benchmarks.md": "benchmarks/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "paper-recipes.md": "configs/README.md",
}
"""Page of the site, and the file that it is made of."""

_LINK = re.compile(r"\[([^\]]*)\]\(([^)#:\s]+)(#[^)]*)?\)")


def included_page(page: str) -> str:
    """The file behind a page, with links that lead to pages of the site."""
    source = PAGES[page]
    return with_links((ROOT / source).read_text(encoding="utf-8"), Path(source).parent)


def with_links(text: str, folder: Path) -> str:
    """The text of a file that lies in `folder` of the repository, with the site's links.

    In the repository the links lead to files. A link to a file that is no page of the site becomes
    the file's name.
    """

    def leading_here(link: re.Match[str]) -> str:
        target = os.path.normpath(folder / link[2])
        place = _place(target)
        if place is None:
            return f"{link[1]} (`{target}`)" if link[1] != target else f"`{target}`"
        return f"[{link[1]}]({place}{link[3] or ''})"

    return _LINK.sub(leading_here, text)


def _place(target: str) -> str | None:
    """Where a file of the repository is in the site, for pages at its top."""
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    return next((page for page, source in PAGES.items() if source == target), None)
