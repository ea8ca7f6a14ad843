"""Text to token shards: tokenise, shuffle and pack a corpus, with Ray Data running the tasks."""

from raycl.data.prepare.inputs import find_files
from raycl.data.prepare.prepare import prepare_corpus
from raycl.data.prepare.sample import check_sample
from raycl.data.prepare.source import TextSource
from raycl.data.prepare.spec import CorpusSpec, check_origin, prepared
from raycl.data.prepare.train_tokenizer import train_tokenizer

__all__ = [
    "CorpusSpec",
    "TextSource",
    "check_origin",
    "check_sample",
    "find_files",
    "prepare_corpus",
    "prepared",
    "train_tokenizer",
]
