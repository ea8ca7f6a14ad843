"""How often tokens stand in a corpus."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from raycl.data.manifest import Split
from raycl.data.shards import write_shard
from raycl.data.token_counts import token_counts
from raycl.storage import Storage
from tests.helpers.manifests import small_manifest


@pytest.mark.parametrize("most", [2**22, 640])
def test_counts_of_all_rows_or_of_rows_spread_over_them(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raycl.data.token_counts._MOST_TOKENS", most)
    storage = Storage(tmp_path)
    rows = np.repeat(np.arange(500, dtype=np.uint16)[:, None] // 5, 5, axis=1)
    shards = tuple(
        write_shard(storage, "corpora/a", "train", number, part)
        for number, part in enumerate(np.split(rows, 2))
    )
    empty = Split((), 0, 0, 0, 0)
    manifest = small_manifest("a", 120, 5, Split(shards, 500, 1, 1, 1), empty)
    found = token_counts(storage, "corpora/a", manifest)
    if most == 640:
        assert not found.whole
        assert found.tokens == 128 * 4
        assert found.counts[0] > 0  # the first rows and the last are among them
        assert found.counts[99] > 0
    else:
        assert found.whole
        assert found.tokens == 500 * 4
        assert found.counts.tolist() == [20] * 100 + [0] * 20
    assert found.counts.sum() == found.tokens
