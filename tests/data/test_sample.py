"""What the beginning of a corpus shows of its tokenizer, before a cluster starts."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from raycl.data.prepare import TextSource, check_sample, find_inputs
from raycl.data.prepare.sample import Sample
from raycl.data.prepare.unwritten import check_sample_written
from raycl.data.tokenizer import TextTokenizer
from raycl.data.tokenizer.files import TokenizerFiles
from raycl.data.tokenizer.text_tokenizer import make_tokenizer
from raycl.errors import InputError
from tests.helpers.corpus_text import write_lines

ALLOWED = Fraction(1, 1000)


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    """One that knows the word "river" alone."""
    made = Tokenizer(models.WordLevel({"<|endoftext|>": 0, "<unk>": 1, "river": 2}, "<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.add_special_tokens(["<|endoftext|>", "<unk>"])
    config = b'{"eos_token": "<|endoftext|>", "unk_token": "<unk>"}'
    return make_tokenizer(TokenizerFiles("x", made.to_str(), (("tokenizer_config.json", config),)))


def sample_of(folder: Path, documents: list[str]) -> Sample:
    path = folder / "text.jsonl"
    write_lines(path, documents)
    source = TextSource((str(path),))
    return check_sample(source, find_inputs(source).files)


def test_a_small_corpus_is_sampled_whole(tmp_path: Path) -> None:
    assert sample_of(tmp_path, ["one", "two"]) == Sample(("one", "two"), is_whole=True)


def test_of_a_long_one_the_beginning_is_kept(tmp_path: Path) -> None:
    sample = sample_of(tmp_path, ["a" * 60_000, "b" * 60_000, "c"])
    assert not sample.is_whole
    assert sum(map(len, sample.texts)) == 2**16


def test_a_whole_corpus_may_lack_what_the_recipe_allows(tokenizer: TextTokenizer) -> None:
    check_sample_written("new", Sample(("river " * 500,), True), tokenizer, ALLOWED)
    with pytest.raises(InputError, match=r"corpus 'new': .* as in .*lake"):
        check_sample_written(
            "new", Sample(("river " * 500 + "lake",), True), tokenizer, ALLOWED / 2
        )


def test_a_part_is_refused_where_most_of_it_cannot_be_written(tokenizer: TextTokenizer) -> None:
    check_sample_written("new", Sample(("river lake " * 9,), False), tokenizer, ALLOWED)
    with pytest.raises(InputError, match="cannot write"):
        check_sample_written("new", Sample(("lake " * 9,), False), tokenizer, ALLOWED)
    check_sample_written("new", Sample(("lake " * 9,), False), tokenizer, Fraction(1))
