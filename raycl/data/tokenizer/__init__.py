"""Tokenizers, taken by their own word: which token ends and begins a document, and what is text."""

from raycl.data.tokenizer.policy import Choice, Policy
from raycl.data.tokenizer.reference import known_tokenizer, load_tokenizer
from raycl.data.tokenizer.store import copy_tokenizer, read_tokenizer, store_tokenizer
from raycl.data.tokenizer.text_tokenizer import TextTokenizer

__all__ = [
    "Choice",
    "Policy",
    "TextTokenizer",
    "copy_tokenizer",
    "known_tokenizer",
    "load_tokenizer",
    "read_tokenizer",
    "store_tokenizer",
]
