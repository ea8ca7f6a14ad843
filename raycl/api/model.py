"""A trained model of a storage, for a program."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from raycl.storage import Storage

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from raycl.export.export import DtypeChoice
    from raycl.results.named_state import NamedState


@dataclass(frozen=True)
class Model:
    """A complete state, and the recipe at whose end it is, if it was found by one."""

    storage: str
    state: str
    """Its whole name, which every command takes."""
    sweep: str | None = None
    label: str | None = None
    """The label of the recipe; None where the state was named."""

    def model(
        self, dtype: DtypeChoice = "original"
    ) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The model and its tokenizer as transformers has them, on the CPU, in evaluation mode.

        `dtype` is that of the checkpoint from which training began (float32 after a random start),
        or float32, bfloat16, float16. The weights are written into a temporary folder and loaded
        from there, which is then removed. Raises raycl.InputError where the state or its tokenizer
        is missing or damaged.
        """
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from raycl.export.export import ExportOptions, export_state

        with tempfile.TemporaryDirectory(prefix="raycl-model-") as scratch:
            folder = Path(scratch) / "model"
            options = ExportOptions(dtype, check=False)
            export_state(Storage(self.storage), self.state, folder, options)
            model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
            return model.eval(), AutoTokenizer.from_pretrained(folder)

    def export(self, folder: str | Path, dtype: DtypeChoice = "original") -> Path:
        """Write it as a new folder for transformers with a model card, as `raycl export` does.

        The folder is loaded, and its loss compared, before it is there. Raises raycl.InputError.
        """
        from raycl.export.export import Exported, ExportOptions, export_state
        from raycl.results.model_card import Weights, card_files

        place = Storage(self.storage)

        def finish(beside: Path, made: Exported) -> None:
            weights = Weights(made.dtype, made.sentence)
            for name, text in card_files(place, self._named, made.state.mark, weights).items():
                (beside / name).write_text(text, encoding="utf-8")

        export_state(place, self.state, Path(folder), ExportOptions(dtype), finish)
        return Path(folder)

    @property
    def _named(self) -> NamedState:
        from raycl.results.named_state import NamedState

        return NamedState(self.state, self.sweep, self.label)
