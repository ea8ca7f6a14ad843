"""Text to token shards: tokenise, shuffle and pack a corpus, with Ray Data running the tasks."""

from raycl.prepare.inputs import TextSource, find_files
from raycl.prepare.run import prepare_corpus
from raycl.prepare.spec import CorpusSpec, prepared
from raycl.prepare.tokenizer import (
    end_of_document,
    load_tokenizer,
    tokenizer_fingerprint,
    tokenizer_path,
    train_tokenizer,
)

__all__ = [
    "CorpusSpec",
    "TextSource",
    "end_of_document",
    "find_files",
    "load_tokenizer",
    "prepare_corpus",
    "prepared",
    "tokenizer_fingerprint",
    "tokenizer_path",
    "train_tokenizer",
]
