"""Which old tokens stand for the tokens of another tokenizer, however both spell them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from raycl.data.tokenizer import TextTokenizer, known_tokenizer
from raycl.data.tokenizer.chat_template import with_chat_template
from raycl.data.tokenizer.definition import token_ids
from raycl.data.tokenizer.replacement import counts, row_sources, tokens_with_their_row
from raycl.data.tokenizer.roles import roles
from tests.helpers.tokenizers import byte_level, gemma_like, unigram, word_piece, write_tokenizer

EOS = {"eos_token": "<|endoftext|>"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def given(name: str, tokenizer: Tokenizer, **config: object) -> TextTokenizer:
    write_tokenizer(Path(name), tokenizer, tokenizer_config=config)
    found = known_tokenizer(f"./{name}")
    assert found is not None
    return found


def sources(old: TextTokenizer, new: TextTokenizer) -> dict[str, list[str]]:
    """The texts of the old tokens that stand for each new one."""
    texts = {number: token for token, number in token_ids(old.definition).items()}
    found = row_sources(old, new)
    return {t: [texts[n] for n in found[m]] for t, m in token_ids(new.definition).items()}


def bytes_of(*words: str, special: str = "<|endoftext|>") -> Tokenizer:
    """A byte-level BPE with all bytes and the merges of these words, from left to right."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary, merges = {special: 0}, []
    for token in letters:
        vocabulary[token] = len(vocabulary)
    for word in words:
        for end in range(2, len(word) + 1):
            if word[:end] not in vocabulary:
                vocabulary[word[:end]] = len(vocabulary)
                merges.append((word[: end - 1], word[end - 1]))
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([special])
    return made


def pieces_of(*words: str, fallback: bool = True) -> Tokenizer:
    """A BPE over characters such as Llama's, which puts a space before each text."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces += ["▁", *"abcdefghijklmnopqrstuvwxyz"]
    merges = []
    for word in words:
        for end in range(2, len(word) + 1):
            if word[:end] not in pieces:
                pieces.append(word[:end])
                merges.append((word[: end - 1], word[end - 1]))
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    made = Tokenizer(
        models.BPE(
            vocab=vocabulary,
            merges=merges,
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=fallback,
        )
    )
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    made.add_special_tokens(["<unk>", "<s>", "</s>"])
    return made


def test_the_same_bytes_are_the_same_token_and_others_are_what_they_were_written_with() -> None:
    old = given("old", bytes_of("Ġder", "und"), **EOS)
    new = given("new", bytes_of("Ġdes", "undx", special="</s>"), eos_token="</s>")
    found = sources(old, new)
    assert found["Ġde"] == ["Ġde"]
    assert found["Ġdes"] == ["Ġde", "s"]
    assert found["und"] == ["und"]
    assert found["undx"] == ["und", "x"]
    assert found["</s>"] == ["<|endoftext|>"]
    shared = [token for token in found if token in token_ids(old.definition)]
    assert all(found[token] == [token] for token in shared)
    assert len(found) == 1 + 256 + 6


def test_a_space_is_spelled_in_two_ways() -> None:
    pieces, letters = pieces_of("▁der", "und"), bytes_of("Ġder", "und", "Ã¼ber")
    old = given("old", pieces, eos_token="</s>", bos_token="<s>")
    new = given("new", letters, **EOS)
    found = sources(old, new)
    assert found["Ġder"] == ["▁der"]
    assert found["Ġ"] == ["▁"]
    assert found["und"] == ["und"]  # and not ▁und, with the space that stands before each text
    assert found["Ã¼"] == ["<0xC3>", "<0xBC>"]
    assert found["Ã"] == ["<0xC3>"]  # a byte that is no character
    assert found["Ã¼b"] == ["<0xC3>", "<0xBC>", "b"]
    assert found["a"] == ["a"]
    assert found["A"] == ["<0x41>"]
    back = sources(new, old)
    assert back["▁der"] == ["Ġder"]
    assert back["▁"] == ["Ġ"]
    assert back["und"] == ["und"]
    assert (back["<0xC3>"], back["<0x41>"], back["a"]) == (["Ã"], ["A"], ["a"])
    assert back["</s>"] == back["<s>"] == ["<|endoftext|>"]
    assert back["<unk>"] == []


@pytest.mark.parametrize("scheme", ["always", "first", "never"])
def test_no_space_is_put_before_a_token(scheme: str) -> None:
    letters = bytes_of("ab")
    letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=scheme == "always")
    other = pieces_of("ab")
    other.normalizer = normalizers.NFC()
    other.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    new = given("new", bytes_of("abx", "Ġabx"), **EOS)
    for name, old in (("letters", letters), ("pieces", other)):
        end = "<|endoftext|>" if name == "letters" else "</s>"
        found = sources(given(name, old, eos_token=end), new)
        assert found["abx"] == ["ab", "x"]
        assert found["Ġabx"][-2:] == ["ab", "x"]


def test_what_the_old_tokenizer_cannot_write_has_no_sources() -> None:
    old = given("old", unigram(), eos_token="</s>")
    new = given("new", bytes_of("aÃ¼", "Ã¼", "Ġder"), **EOS)
    found = sources(old, new)
    assert found["Ã¼"] == found["Ã"] == []
    assert found["aÃ¼"] == ["a"]  # and not the unknown token
    assert found["Ġder"] == ["▁", "d", "e", "r"]
    assert counts(row_sources(old, new)).others > 200


def test_parts_of_words_and_words_of_word_piece() -> None:
    old = given("old", word_piece(), eos_token="[SEP]", bos_token="[CLS]")
    new = given("new", bytes_of("Ġa"), **EOS)
    found = sources(old, new)
    assert (found["Ġa"], found["a"]) == (["a"], ["##a"])
    back = sources(new, old)
    assert (back["a"], back["##a"]) == (["Ġa"], ["a"])
    assert back["[SEP]"] == back["[CLS]"] == ["<|endoftext|>"]
    assert back["[UNK]"] == []


def test_control_tokens_go_by_text_then_by_role() -> None:
    names = {"eos_token": "<e>", "bos_token": "<b>", "pad_token": "<p>", "unk_token": "<u>"}
    old = given("old", byte_level(("<e>", "<b>", "<p>", "<u>", "<tool>")), **names)
    other = {"eos_token": "<end>", "bos_token": "<begin>", "pad_token": "<tool>"}
    special = ("<end>", "<begin>", "<tool>", "<unk>", "<new>")
    new = given("new", byte_level(special), **other, unk_token="<unk>")
    found = sources(old, new)
    assert [found[t] for t in special[:4]] == [["<e>"], ["<b>"], ["<tool>"], ["<u>"]]
    texts = {number: token for token, number in token_ids(old.definition).items()}
    assert found["<new>"] == [texts[n] for n in old.encode("<new>")]


def test_ordinary_text_is_no_control_token() -> None:
    """Gemma has `</s>` as a tag of HTML; and what is text in the new one is text."""
    old = given("old", gemma_like(), eos_token="<eos>", bos_token="<bos>")
    assert roles(old) == {"eos": "<eos>", "bos": "<bos>", "unk": "<unk>"}
    new = given("new", byte_level(("</s>",), added=("<eos>", "<h1>")), eos_token="</s>")
    found = sources(old, new)
    assert found["</s>"] == ["<eos>"]
    assert found["<eos>"] == ["<", "e", "o", "s", ">"]
    assert found["<h1>"] == ["<h1>"]


def test_tokens_with_their_row_share_it_with_no_other() -> None:
    found = {0: (5,), 1: (5,), 2: (6,), 3: (7, 8), 4: ()}
    assert tokens_with_their_row(found) == {2}
    had = counts(found)
    assert (had.kept, had.averaged, had.others) == (3, 1, 1)


def test_a_chat_template_stays_where_its_tokens_do() -> None:
    chat, template = ("<|endoftext|>", "<|user|>"), "{{ '<|user|>' + messages[0].content }}"
    own = {**EOS, "chat_template": template}
    old = given("old", byte_level(chat), **own)
    kept, notes = with_chat_template(old, given("a", byte_level(chat), **EOS))
    assert kept.files.config["chat_template"] == template
    assert notes == ("the model's chat template stays",)
    left, notes = with_chat_template(old, given("b", byte_level(), **EOS))
    assert "chat_template" not in left.files.config
    assert notes == ("the model's chat template is left out: the new tokenizer has no '<|user|>'",)
    mine = given("c", byte_level(), **EOS, chat_template="mine")
    assert with_chat_template(old, mine) == (mine, ())
    named = given("d", byte_level(chat), **EOS, chat_template="{{ bos_token }}")
    assert "no 'bos_token'" in with_chat_template(named, given("e", byte_level(chat), **EOS))[1][0]
    plain = given("f", byte_level(), **EOS)
    assert with_chat_template(plain, mine) == (mine, ())
