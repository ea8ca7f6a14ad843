"""Text to token shards: tokenise, shuffle and pack a corpus, with Ray Data running the tasks."""

from raycl.data.prepare.hash_inputs import hash_inputs
from raycl.data.prepare.inputs import find_files, find_inputs
from raycl.data.prepare.origin import check_origin, prepared
from raycl.data.prepare.prepare import prepare_corpora, prepare_corpus
from raycl.data.prepare.sharing import conflicts, sentences, without_hashes
from raycl.data.prepare.source import TextSource
from raycl.data.prepare.spec import CorpusSpec
from raycl.data.prepare.train_tokenizer import train_tokenizer

__all__ = [
    "CorpusSpec",
    "TextSource",
    "check_origin",
    "conflicts",
    "find_files",
    "find_inputs",
    "hash_inputs",
    "prepare_corpora",
    "prepare_corpus",
    "prepared",
    "sentences",
    "train_tokenizer",
    "without_hashes",
]
