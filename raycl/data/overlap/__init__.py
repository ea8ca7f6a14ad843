"""Which documents of a recipe's corpora nearly repeat others, found in their token shards."""

from raycl.data.overlap.find import OverlapOptions, find_overlaps
from raycl.data.overlap.record import OverlapReport

__all__ = ["OverlapOptions", "OverlapReport", "find_overlaps"]
