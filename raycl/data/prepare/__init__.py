"""Text to token shards: tokenise, shuffle and pack a corpus, with Ray Data running the tasks."""

from raycl.data.prepare.inputs import find_files
from raycl.data.prepare.prepare import prepare_corpus
from raycl.data.prepare.source import TextSource
from raycl.data.prepare.spec import CorpusSpec, check_origin, prepared
from raycl.data.prepare.tokenizer import (
    end_of_document,
    load_tokenizer,
    tokenizer_fingerprint,
    train_tokenizer,
)

__all__ = [
    "CorpusSpec",
    "TextSource",
    "check_origin",
    "end_of_document",
    "find_files",
    "load_tokenizer",
    "prepare_corpus",
    "prepared",
    "tokenizer_fingerprint",
    "train_tokenizer",
]
