"""Another command on the same search: `python -m … STORAGE ADDRESS`, where `recipe.yaml` lies."""

from __future__ import annotations

import sys
from pathlib import Path

from raycl.cluster.options import ClusterOptions
from raycl.recipe.definition import define
from raycl.storage import Storage
from raycl.sweep.pipeline import sweep


def main(url: str, address: str) -> None:
    """Run the sweep; what is told goes to the output, the table to `second.parquet`."""

    def tell(sentence: str) -> None:
        print(sentence, flush=True)

    result = sweep(define(Path("recipe.yaml")), Storage(url), ClusterOptions(address), tell)
    assert result.failed == {}
    result.table.to_parquet("second.parquet")


if __name__ == "__main__":
    main(*sys.argv[1:])
