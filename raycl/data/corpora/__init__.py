"""Real corpora for a first run: `fetch("german", Path("runs/text"))`; `names()` lists them."""

from raycl.data.corpora.catalogue import names
from raycl.data.corpora.fetch import fetch

__all__ = ["fetch", "names"]
