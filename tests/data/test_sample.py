"""The beginning of a corpus: what is read of it before a cluster starts, and what it shows."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raycl.data.prepare.inputs import find_files, plan_units
from raycl.data.prepare.sample import SAMPLED_FILES, check_sample_written, read_sample
from raycl.data.prepare.source import InputFile, TextSource
from raycl.data.tokenizer.files import TokenizerFiles
from raycl.data.tokenizer.text_tokenizer import TextTokenizer, make_tokenizer
from raycl.errors import InputError
from tests.helpers.corpus_text import write_lines


def of_one_word() -> TextTokenizer:
    """A tokenizer of whole words, which knows one."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({"<eos>": 0, "<unk>": 1, "word": 2}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.add_special_tokens(["<eos>", "<unk>"])
    config = b'{"eos_token": "<eos>", "unk_token": "<unk>"}'
    beside = (("tokenizer_config.json", config),)
    return make_tokenizer(TokenizerFiles("of the test", words.to_str(), beside))


def test_a_small_corpus_is_read_as_a_whole(tmp_path: Path) -> None:
    source = TextSource((str(write_lines(tmp_path / "a.jsonl", ["word word", "strange"])),))
    found = read_sample(source, find_files(source))
    assert found.texts == ["word word", "strange"]
    assert found.text_bytes == len("word wordstrange")


def test_what_is_lost_in_a_part_counts_against_the_most_that_the_whole_can_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenth of the first documents is lost, and it may be a thousandth of the corpus."""
    monkeypatch.setattr("raycl.data.prepare.sample.SAMPLE_BYTES", 100)
    texts = ["word word odd word", *["word " * 30] * 200]
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")
    source = TextSource((str(tmp_path / "a.parquet"),))
    found = read_sample(source, find_files(source))
    assert len(found.texts) < len(texts)
    assert found.text_bytes >= (tmp_path / "a.parquet").stat().st_size
    check_sample_written("a", found, of_one_word(), Fraction(1, 100))
    with pytest.raises(InputError, match="cannot write"):
        check_sample_written("a", found, of_one_word(), Fraction(0))


def test_only_some_of_many_files_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        write_lines(tmp_path / f"{number:02d}.jsonl", [f"text {number}"])
    source = TextSource((str(tmp_path),))
    files = find_files(source)
    opened: list[str] = []

    def counted(source: TextSource, files: list[InputFile], size: int) -> object:
        opened.extend(file.url for file in files)
        return plan_units(source, files, size)

    monkeypatch.setattr("raycl.data.prepare.sample.plan_units", counted)
    found = read_sample(source, files)
    assert len(opened) == len(found.texts) == SAMPLED_FILES
    assert {"text 0", "text 49"} <= set(found.texts)
