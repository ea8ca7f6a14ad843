"""The documents of several prepared corpora, numbered through, and read again by number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from raycl.data.manifest import SPLITS, Manifest, SplitName
from raycl.data.shard_documents import shard_documents
from raycl.data.tokenizer import TextTokenizer
from raycl.storage import Storage


@dataclass(frozen=True)
class CorpusPart:
    """One split of a corpus."""

    corpus: str
    split: SplitName


@dataclass(frozen=True)
class StoredDocuments:
    """All documents in the shards of some corpora, part by part, shard by shard."""

    storage: Storage
    manifests: Mapping[str, Manifest]
    tokenizer: TextTokenizer

    @property
    def parts(self) -> list[CorpusPart]:
        """Every split of every corpus, in the order of the documents."""
        return [CorpusPart(name, split) for name in sorted(self.manifests) for split in SPLITS]

    @property
    def shards(self) -> list[tuple[int, int]]:
        """For each shard, the number of its part and its own number in it."""
        return [
            (number, place)
            for number, part in enumerate(self.parts)
            for place in range(len(self.manifests[part.corpus].split(part.split).shards))
        ]

    def of_shard(self, shard: tuple[int, int]) -> Iterator[np.ndarray]:
        """The ids of each document of a shard. Raises InputError where it is damaged."""
        part = self.parts[shard[0]]
        manifest = self.manifests[part.corpus]
        return shard_documents(self.storage, manifest, part.split, shard[1], self.tokenizer)

    def read(self, begins: np.ndarray, wanted: Sequence[int]) -> dict[int, np.ndarray]:
        """The ids of some documents. `begins` [shards + 1] are the first documents of shards."""
        numbers = np.unique(np.array(wanted, np.int64))
        found: dict[int, np.ndarray] = {}
        for place, shard in enumerate(self.shards):
            here = numbers[(numbers >= begins[place]) & (numbers < begins[place + 1])]
            if len(here):
                among = set(here.tolist())
                for number, ids in enumerate(self.of_shard(shard), int(begins[place])):
                    if number in among:
                        found[number] = ids.copy()
        return found
