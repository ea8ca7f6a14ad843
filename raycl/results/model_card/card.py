"""README.md and recipe.yaml of an exported folder."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import pandas as pd
import yaml

from raycl.models.extension import vocabulary_extension
from raycl.models.hub import is_hub_name
from raycl.models.replacement import tokenizer_replacement
from raycl.models.start import Start
from raycl.recipe.written_recipe import written_recipe, yaml_text
from raycl.results.gather import gather
from raycl.results.model_card.lineage import lineage
from raycl.results.model_card.origin import Origin, find_origin
from raycl.results.model_card.public import is_place, last_part, without_places
from raycl.results.named_state import NamedState
from raycl.results.report.table import paper_table
from raycl.results.stored_states import StoredStates
from raycl.results.table import results_table
from raycl.states.mark import MergeOrigin, StateMark
from raycl.storage import Storage, layout


@dataclass(frozen=True)
class Weights:
    """What is said of the exported weights."""

    dtype: str
    check: str
    """A sentence on the comparison of losses."""


def card_files(
    storage: Storage, named: NamedState, mark: StateMark, weights: Weights
) -> dict[str, str]:
    """The text of README.md, and of recipe.yaml where the state's recipe is known, by file name."""
    origin = find_origin(storage, named, mark)
    files = {}
    if origin is not None:
        files[layout.RECIPE] = _recipe_file(origin)
    parts = [_head(origin, mark), _model(storage, mark, weights, origin)]
    parts += [_lineage(storage, mark, origin)]
    parts += [_results(storage, origin, mark), _limits(origin), _again(origin, mark)]
    text = "\n".join(line for part in [*parts, _use(weights.dtype)] for line in part)
    files["README.md"] = text + "\n"
    return files


def _head(origin: Origin | None, mark: StateMark) -> Iterator[str]:
    reference = origin.variant.recipe.model.pretrained if origin else None
    hub = reference and mark.model.pretrained and _is_hub(reference)
    front: dict[str, Any] = {"library_name": "transformers", "pipeline_tag": "text-generation"}
    if hub and reference:
        front["base_model"] = reference.partition("@")[0]
    front["tags"] = ["raycl", "continual-pre-training"]
    yield "---"
    yield yaml.safe_dump(front, sort_keys=False).rstrip()
    yield "# No license is named here: add `license: …` before you share the model. It depends on"
    and_instruct = ", the instruct model" if mark.merged and mark.merged.instruct else ""
    yield f"# the starting model{and_instruct} and on the text."
    yield "---"


def _is_hub(reference: str) -> bool:
    return is_hub_name(reference) and "/" in reference and not is_place(reference)


def _model(
    storage: Storage, mark: StateMark, weights: Weights, origin: Origin | None
) -> Iterator[str]:
    title = origin.sweep.name if origin else mark.name
    label = f", recipe `{_public(_label(origin, mark))}`" if origin else ""
    yield f"# {title}"
    yield f"A `{mark.model.config.get('model_type', 'language')}` model, trained with raycl{label}."
    yield f"State `{mark.name}`; weights in {weights.dtype}. {weights.check}"
    start = mark.model.pretrained
    if start is None:
        yield "Training began with random weights."
        return
    reference = origin.variant.recipe.model.pretrained if origin else None
    name = f"`{_public(reference)}`, " if reference else ""
    name += _vocabulary(Start("", start, {}, {}, None), storage)
    yield f"Training began with the model {name}whose tensors have the SHA-256 `{start}`."


def _vocabulary(start: Start, storage: Storage) -> str:
    """Words on the vocabulary that the start has got, where it got one."""
    grown = vocabulary_extension(start, storage)
    if grown is not None:
        return f"with {grown.new_tokens:,} new tokens beside {grown.base_tokens:,}, "
    replaced = tokenizer_replacement(start, storage)
    return "" if replaced is None else f"with another tokenizer ({replaced.sentence}), "


def _lineage(storage: Storage, mark: StateMark, origin: Origin | None) -> Iterator[str]:
    yield from ("", "## How it was trained")
    if origin is not None and not origin.is_end and mark.merged is None:
        steps = origin.training.chain.steps
        yield f"The state lies within its recipe: after {origin.step:,} of {steps:,} steps."
        yield ""
    yield from lineage(storage, mark, origin)
    packages = ", ".join(f"{name} {version(name)}" for name in ("raycl", "torch", "transformers"))
    yield ""
    yield f"Exported with {packages} and Python {platform.python_version()}. The versions of"
    yield "the training itself are in the report of its sweep."


def _label(origin: Origin, mark: StateMark) -> str:
    """The label of the state's row in the results: of its recipe, or of a merge of the sweep."""
    made = (merge.label for merge in origin.sweep.merges if merge.name == mark.name)
    return next(made, origin.variant.label)


def _results(storage: Storage, origin: Origin | None, mark: StateMark) -> Iterator[str]:
    if origin is None or not origin.is_end:
        return
    label = _label(origin, mark)
    if mark.merged is not None and label == origin.variant.label:
        return  # it was merged by hand, and the table has no row of it
    outcomes = gather(origin.sweep, StoredStates(storage, origin.plan.states))
    yield from ("", "## Results", "Validation losses in nats/token; lower is better.", "")
    yield from _table(results_table(outcomes), label)


def _table(table: pd.DataFrame, own: str) -> Iterator[str]:
    """The table as the terminal shows it, this model's line in bold."""
    shown = paper_table(table)
    yield f"| recipe | {' | '.join(shown.columns)} |"
    yield "|---|" + "---|" * len(shown.columns)
    for line in shown.lines:
        name = _public(line.recipe).replace("|", "\\|")
        name = f"**{name} (this model)**" if line.recipe == own else name
        name = f"{name} (baseline)" if line.is_baseline else name
        yield f"| {name} | {' | '.join(cell.text for cell in line.cells)} |"


def _limits(origin: Origin | None) -> Iterator[str]:
    yield from ("", "## Limits")
    yield "The numbers are losses on held-out documents of the corpora above, and no measure of how"
    yield "useful or safe the model's text is. It is a language model that continues text: it was"
    yield "not taught to follow instructions by this training."
    knows = origin.variant.recipe.model.knows if origin else {}
    if knows:
        names = ", ".join(f"`{name}`" for name in knows)
        yield f"These corpora stand in for the unknown data of the starting model: {names}. Losses"
        yield "on them show what the model forgets of such text, not of its real data."


def _again(origin: Origin | None, mark: StateMark) -> Iterator[str]:
    if origin is None:
        return
    whose = "this model's recipe" if mark.merged is None else "the recipe of the merged state"
    yield from ("", "## Train it again")
    yield f"`{layout.RECIPE}` holds {whose}, the swept values filled in. With the same text"
    yield "under `corpora` it leads to a state of the same name:"
    yield from ("```", f"raycl sweep {layout.RECIPE} --storage STORAGE", "```")
    if mark.merged is not None:
        yield "The merge of this state is then, with the models of the list above:"
        yield from ("```", _merge_command(mark.merged), "```")


def _merge_command(merged: MergeOrigin) -> str:
    """The command that makes the merge again."""
    words = ["raycl merge", *merged.states, "--storage STORAGE --base"]
    words.append("start" if merged.base.startswith(layout.start("")) else merged.base)
    if merged.instruct:
        words.append("--instruct INSTRUCT_MODEL")
    else:
        words.append(f"--method {merged.method}")
    numbers = {"weight": merged.weight, "density": merged.density, "scale": merged.scale}
    words += [f"--{name} {number!r}" for name, number in numbers.items() if number is not None]
    if merged.weights:
        words.append(f"--weight {','.join(map(repr, merged.weights))}")
    return " ".join(words)


def _use(dtype: str) -> Iterator[str]:
    yield from ("", "## Use it", "```python")
    yield "from transformers import AutoModelForCausalLM, AutoTokenizer"
    yield f'model = AutoModelForCausalLM.from_pretrained("FOLDER", dtype="{dtype}")'
    yield 'tokenizer = AutoTokenizer.from_pretrained("FOLDER")'
    yield "```"
    yield "For llama.cpp, Ollama and LM Studio, convert the folder to GGUF with llama.cpp:"
    yield "```"
    yield "python convert_hf_to_gguf.py FOLDER --outfile model.gguf --outtype f16"
    yield "llama-quantize model.gguf model-q4.gguf Q4_K_M"
    yield "```"


def _recipe_file(origin: Origin) -> str:
    data = written_recipe(origin.sweep.definition, origin.variant, origin.plan.resolution.device)
    label = _public(origin.variant.label)
    head = (
        f"# The recipe {label!r} of the sweep {origin.sweep.name!r}, without its sweep.\n"
        "# Places on the author's machine are left out: give your own under `text`, `pretrained`\n"
        "# and `tokenizer`. States are named by content, so that the same files lead to the same.\n"
    )
    return head + yaml_text(without_places(data))


def _public(text: str) -> str:
    """A label without the places in it."""
    return " ".join(last_part(word) if is_place(word) else word for word in text.split(" "))
