"""Real corpora for a first run: `fetch("german", Path("runs/text"))`; `names()` lists them."""

from raycl.corpora.catalogue import names
from raycl.corpora.fetch import fetch

__all__ = ["fetch", "names"]
