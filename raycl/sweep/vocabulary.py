"""What another vocabulary is worth on a recipe's corpora: tokens per byte before and after."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from raycl.data.tokenizer import TextTokenizer
from raycl.data.tokenizer.extension_record import ExtensionRecord, files_before
from raycl.data.tokenizer.replacement import row_sources
from raycl.data.tokenizer.replacement_record import ReplacementRecord, replacement_record
from raycl.data.tokenizer.text_tokenizer import make_tokenizer
from raycl.errors import InputError
from raycl.models.extension import vocabulary_extension
from raycl.models.replacement import both_tokenizers, tokenizer_replacement
from raycl.models.start import Start
from raycl.models.tokenizer import own_files
from raycl.recipe.extensions import base_tokenizer
from raycl.recipe.sweep_plan import SweepPlan
from raycl.storage import Storage
from raycl.sweep.corpus_growth import CorpusGrowth, measured

_NEW_TOKENS = "the new tokens"


@dataclass(frozen=True)
class ModelGrowth:
    """A model with new tokens, on each corpus of the recipes."""

    model: str
    """The model as the recipe names it."""
    tokens_before: int
    learned: int
    named: int
    initialize: str
    corpora: tuple[CorpusGrowth, ...]

    @property
    def as_data(self) -> dict[str, Any]:
        """All of it for programs."""
        return asdict(self)

    @property
    def sentences(self) -> list[str]:
        """All of it for people."""
        count = self.learned + self.named
        named = f", {self.named:,} of them named" if self.named else ""
        first = (
            f"model.pretrained {self.model!r} has {count:,} new tokens{named}, beside "
            f"{self.tokens_before:,}; their rows began as the {self.initialize} of old ones."
        )
        return [first, *(corpus.sentence(_NEW_TOKENS) for corpus in self.corpora)]


@dataclass(frozen=True)
class Replaced:
    """A model with another tokenizer, on each corpus of the recipes."""

    model: str
    """The model as the recipe names it."""
    rows: ReplacementRecord
    """How the rows of its tokens begin."""
    corpora: tuple[CorpusGrowth, ...]

    @property
    def as_data(self) -> dict[str, Any]:
        """All of it for programs."""
        corpora = [asdict(corpus) for corpus in self.corpora]
        return {"model": self.model, **self.rows.model_dump(), "corpora": corpora}

    @property
    def sentences(self) -> list[str]:
        """All of it for people."""
        first = f"model.pretrained {self.model!r} with another tokenizer: {self.rows.sentence}."
        return [first, *(corpus.sentence("the change") for corpus in self.corpora)]


def vocabulary_growth(plan: SweepPlan, storage: Storage | None) -> list[ModelGrowth | Replaced]:
    """Each model of a plan with another vocabulary, on a sample of at most 256 kB of each corpus.

    Of one that is to be made, another tokenizer can be measured, and new tokens cannot. Raises
    InputError where a record or a shard is damaged.
    """
    found: list[ModelGrowth | Replaced] = []
    for name, start in plan.resolution.starts.items():
        if (record := vocabulary_extension(start, storage)) is not None:
            found.append(_growth(start, record, plan, storage))
        elif (replacement := _replacement(name, start, plan, storage)) is not None:
            found.append(replacement)
    return found


def _growth(
    start: Start, record: ExtensionRecord, plan: SweepPlan, storage: Storage | None
) -> ModelGrowth:
    return ModelGrowth(
        model=start.reference,
        tokens_before=record.base_tokens,
        learned=record.learned,
        named=len(record.named),
        initialize=record.initialize,
        corpora=_corpora(_tokenizers(start, record, storage), plan, storage),
    )


def _tokenizers(
    start: Start, record: ExtensionRecord, storage: Storage | None
) -> tuple[TextTokenizer, TextTokenizer] | None:
    """The tokenizers before and after; None where they cannot be had any more."""
    files = own_files(start, storage)
    before = files_before(files, record) if files is not None else None
    if files is None or before is None:
        return None
    try:
        return make_tokenizer(before), make_tokenizer(files)
    except InputError:  # documents end with a new token, say
        return None


def _replacement(
    name: str, start: Start, plan: SweepPlan, storage: Storage | None
) -> Replaced | None:
    planned = plan.resolution.extensions.get(name)
    if planned is not None and planned.request is None:
        if planned.base is None or planned.tokenizer is None:
            return None
        both = (base_tokenizer(planned.base, storage), planned.tokenizer)
        rows = replacement_record(both[0], row_sources(*both), planned.tokens.initialize)
        return Replaced(start.reference, rows, _corpora(both, plan, storage))
    record = tokenizer_replacement(start, storage)
    if record is None:
        return None
    measured_by = both_tokenizers(start, record, storage)
    return Replaced(start.reference, record, _corpora(measured_by, plan, storage))


def _corpora(
    both: tuple[TextTokenizer, TextTokenizer] | None, plan: SweepPlan, storage: Storage | None
) -> tuple[CorpusGrowth, ...]:
    corpora = {name: sweep for sweep in plan.sweeps for name in sweep.definition.recipe.corpora}
    return tuple(measured(name, both, sweep, storage) for name, sweep in corpora.items())
