"""Which tokens end and begin a document: by a recipe's choice, else by the tokenizer's own word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from raycl.data.tokenizer.definition import (
    Definition,
    added_tokens,
    template_tokens,
    token_ids,
    unknown_token,
)
from raycl.data.tokenizer.files import CONFIG, DEFINITION, SPECIAL_TOKENS, TokenizerFiles
from raycl.errors import InputError, shown

END_OF_DOCUMENT = "<|endoftext|>"
"""The only special token of a tokenizer that raycl trains."""
NO_BEGINNING = "none"
"""The value of `begin_of_document` in a recipe that lets documents begin without a token."""
ControlTokens = Literal["text", "tokens"]
"""What a control token that stands in a text becomes: its letters, or the token itself."""
CONTROL_TOKENS = "control_tokens"
"""The field of a stored tokenizer_config.json that says so; without it they are text."""
_ENDS_BEFORE = (
    END_OF_DOCUMENT,
    "</s>",
    "<eos>",
    "<|end_of_text|>",
    "<|im_end|>",
    "<|eos|>",
    "[EOS]",
)
_SHOWN = 8


@dataclass(frozen=True)
class Choice:
    """What a recipe says about a tokenizer; None leaves it to the tokenizer."""

    end_of_document: str | None = None
    begin_of_document: str | None = None
    """A token, or `NO_BEGINNING`."""
    control_tokens: ControlTokens | None = None


NO_CHOICE = Choice()


@dataclass(frozen=True)
class Policy:
    """The text of the tokens that stand after and before each document."""

    end: str
    begin: str | None
    end_from: str = ""
    """Who said so, for messages."""
    begin_from: str = ""
    control_tokens: ControlTokens = "text"

    @property
    def described(self) -> str:
        """Both tokens, who said so, and what control tokens in a text become."""
        begins = "nothing" if self.begin is None else repr(self.begin)
        written = "; control tokens in text are tokens" if self.control_tokens == "tokens" else ""
        return (
            f"documents end with {self.end!r} ({self.end_from}) and begin with {begins} "
            f"({self.begin_from}){written}"
        )


def find_policy(files: TokenizerFiles, definition: Definition, choice: Choice) -> Policy:
    """The policy of a tokenizer. Raises InputError where it names no end, or unknown tokens."""
    end, end_from = _end(files, definition, choice)
    begin, begin_from = _begin(files, definition, choice)
    for token, source, field in ((end, end_from, "end"), (begin, begin_from, "begin")):
        if token is not None and token not in token_ids(definition):
            raise InputError(
                f"tokenizer {files.where!r}",
                f"{source} names the token {token!r}, which is not in its vocabulary",
                f"Set tokenizer.{field}_of_document in the recipe to {_candidates(definition)}",
            )
    return Policy(end, begin, end_from, begin_from, _control_tokens(files, choice))


def policy_before(definition: Definition) -> Policy | None:
    """The policy of a tokenizer.json in a storage that kept nothing else beside it.

    raycl then took the first of a list of tokens, and no token that begins a document.
    """
    known = token_ids(definition)
    end = next((token for token in _ENDS_BEFORE if token in known), None)
    return None if end is None else Policy(end, None)


def _end(files: TokenizerFiles, definition: Definition, choice: Choice) -> tuple[str, str]:
    for token, source in _named_ends(files, definition, choice):
        if token is not None:
            return token, source
    special = _special(definition)
    if special == [END_OF_DOCUMENT]:
        return END_OF_DOCUMENT, DEFINITION
    beside = "nothing beside it does" if files.is_bare else "nor do the files beside it"
    raise InputError(
        f"tokenizer {files.where!r}",
        f"no token that ends a document is known: {DEFINITION} does not name one, and {beside}",
        f"Give the folder with its {CONFIG}, or set tokenizer.end_of_document in the recipe to "
        f"{_candidates(definition)}",
    )


def _named_ends(
    files: TokenizerFiles, definition: Definition, choice: Choice
) -> Iterator[tuple[str | None, str]]:
    yield choice.end_of_document, "tokenizer.end_of_document"
    yield from _by_name(files, "eos_token")
    yield from _by_id(files, definition, "eos_token_id")
    yield template_tokens(definition)[1], f"the post-processor in {DEFINITION}"


def _begin(files: TokenizerFiles, definition: Definition, choice: Choice) -> tuple[str | None, str]:
    if choice.begin_of_document is not None:
        token = choice.begin_of_document
        return None if token == NO_BEGINNING else token, "tokenizer.begin_of_document"
    wanted = files.config.get("add_bos_token")
    if wanted is None:
        return template_tokens(definition)[0], f"the post-processor in {DEFINITION}"
    if not isinstance(wanted, bool):
        raise InputError(
            f"tokenizer {files.where!r}: {CONFIG}",
            f"add_bos_token is {shown(wanted)}, neither true nor false",
            f"Correct it there, or set tokenizer.begin_of_document in the recipe to {NO_BEGINNING} "
            "or to a token",
        )
    if not wanted:
        return None, CONFIG
    template = (template_tokens(definition)[0], f"the post-processor in {DEFINITION}")
    by_id = _by_id(files, definition, "bos_token_id")
    named: list[tuple[str | None, str]] = [*_by_name(files, "bos_token"), template, *by_id]
    for found, source in named:
        if found is not None:
            return found, source
    raise InputError(
        f"tokenizer {files.where!r}",
        f"{CONFIG} says add_bos_token, but no bos_token is named",
        f"Set tokenizer.begin_of_document in the recipe to {NO_BEGINNING} or "
        f"{_candidates(definition)}",
    )


def _control_tokens(files: TokenizerFiles, choice: Choice) -> ControlTokens:
    """By the recipe's choice, else by what a raycl wrote into a stored or exported tokenizer.

    transformers' own `split_special_tokens` is not asked: it is false wherever nobody chose.
    """
    asked = choice.control_tokens or files.config.get(CONTROL_TOKENS)
    return "tokens" if asked == "tokens" else "text"


def _by_name(files: TokenizerFiles, field: str) -> Iterator[tuple[str | None, str]]:
    for name, content in ((CONFIG, files.config), (SPECIAL_TOKENS, files.special_tokens)):
        yield text_of(content.get(field)), f"{field} in {name}"


def _by_id(
    files: TokenizerFiles, definition: Definition, field: str
) -> Iterator[tuple[str | None, str]]:
    """Tokens that the model's own files name by id; of several the first."""
    texts = {number: token for token, number in token_ids(definition).items()}
    for name, content in files.model_configs.items():
        value = content.get(field)
        number: Any = value[0] if isinstance(value, list) and value else value
        is_id = isinstance(number, int) and not isinstance(number, bool)
        yield (texts.get(number) if is_id else None), f"{field} in {name}"


def named_token(files: TokenizerFiles, definition: Definition, field: str) -> str | None:
    """The token that the files call `field`, such as `pad_token`; None where they name none."""
    known = token_ids(definition)
    named = (*_by_name(files, field), *_by_id(files, definition, f"{field}_id"))
    return next((token for token, _ in named if token in known), None)


def text_of(token: Any) -> str | None:
    """The text of a token that is written as text or as the fields of an AddedToken."""
    content = token.get("content") if isinstance(token, Mapping) else token
    return content if isinstance(content, str) and content else None


def _special(definition: Definition) -> list[str]:
    return [text for text, token in added_tokens(definition).items() if token["special"]]


def _candidates(definition: Definition) -> str:
    """The tokens that could end a document, as words of a sentence."""
    found = [token for token in _special(definition) if token != unknown_token(definition)]
    found = found or list(added_tokens(definition))
    if not found:
        return "a token of its vocabulary that no text contains"
    shown = " or ".join(repr(token) for token in found[:_SHOWN])
    return shown if len(found) <= _SHOWN else f"{shown} (or another of {len(found)})"
