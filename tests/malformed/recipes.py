"""Recipes whose YAML is fine, and whose fields are not."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.helpers.workspace import CONFIG, SCHEDULE, recipe, write
from tests.malformed.case import Malformed

REMOVED = object()
Fields = dict[str, Sequence[Any]]


def _with(path: tuple[str | int, ...], value: Any) -> Any:
    """A change that sets the field at `path` in the recipe, or removes it."""
    data: Any = copy.deepcopy(recipe())
    place = data
    for part in path[:-1]:
        place = place.setdefault(part, {}) if isinstance(place, dict) else place[part]
    if value is REMOVED:
        del place[path[-1]]
    else:
        place[path[-1]] = value

    def change(folder: Path) -> None:
        write(folder, data)

    return change


def _case(path: tuple[str | int, ...], value: Any, *says: str) -> Malformed:
    shown = "removed" if value is REMOVED else repr(value)[:40]
    name = f"{'.'.join(str(part) for part in path)} = {shown}"
    if "nan" in shown or "inf" in shown:
        # YAML's own words for these are refused with their line and column.
        says = (".nan" if "nan" in shown else ".inf", "recipe.yaml:")
    return Malformed(name, _with(path, value), says or (str(path[-1]),))


def _cases(path: tuple[str | int, ...], values: Iterable[Any], *says: str) -> Iterator[Malformed]:
    for value in values:
        yield _case(path, value, *says)


_NO_NUMBER: tuple[Any, ...] = ("many", [1], {"a": 1}, True, -1, 0, 1.5, float("nan"), float("inf"))


def malformed_recipes() -> Iterator[Malformed]:
    """All of them."""
    yield from _whole_numbers()
    yield from _names()
    yield from _corpora()
    yield from _stages()
    yield from _schedules()
    yield from _settings()
    yield from _sweeps()
    yield from _models()
    yield from _new_fields()
    yield from _seeds_and_telling()


def _whole_numbers() -> Iterator[Malformed]:
    for field in ("sequence_length", "global_batch"):
        yield from _cases((field,), _NO_NUMBER)
        yield _case((field,), REMOVED, field)
    yield from _cases(("seed",), ("many", -1, 1.5, [1], 2**80))
    yield from _cases(("sequence_length",), ("1e300", 10**30))
    yield from _cases(("stages", 0, "steps"), ("1e300", 10**30, *_NO_NUMBER))


def _names() -> Iterator[Malformed]:
    yield from _cases(("name",), ("", "a/b", "../up", "a b", "-x", "n" * 300, 7, None, ["a"], "ä"))
    yield _case(("name",), REMOVED)
    yield from _cases(("stages", 0, "name"), ("", "1a", "later", "a/b", "s" * 300, None, "a.b"))
    yield _case(("stages", 1, "name"), "old", "old")


def _corpora() -> Iterator[Malformed]:
    yield _case(("corpora",), {})
    yield _case(("corpora",), [])
    yield _case(("corpora",), REMOVED)
    yield from _cases(
        ("corpora", "old", "text"),
        ("text/none.jsonl", "text/*.csv", [], [""], "", 7, {"a": "b"}),
        "old",
    )
    yield _case(("corpora", "old", "fetch"), "english", "old")
    yield _case(("corpora", "old"), {"fetch": "klingon"}, "klingon")
    yield _case(("corpora", "old"), {}, "old")
    yield _case(("corpora", "old"), None, "old")
    yield from _cases(
        ("corpora", "old", "validation"),
        ("0%", "100%", "120%", -0.1, "half", 1, float("nan")),
        "validation",
    )
    yield _case(("corpora", "old", "text_field"), 7)
    yield _case(("corpora", "old", "text_field"), "body")
    yield _case(("corpora", "old", "txt"), "x", "txt")
    yield _case(("corpora", "old", "shard_tokens"), 0)
    yield _case(("corpora", "a/b"), {"text": "text/old.jsonl"}, "a/b")
    yield _case(("corpora", "c" * 300), {"text": "text/old.jsonl"}, "ccc")


def _stages() -> Iterator[Malformed]:
    yield _case(("stages",), [])
    yield _case(("stages",), {})
    yield _case(("stages",), REMOVED)
    yield _case(("stages", 0), None)
    yield _case(("stages", 0), "old")
    yield _case(("stages", 0, "steps"), REMOVED, "steps")
    yield _case(("stages", 0, "tokens"), "1M", "steps")
    yield _case(("stages", 0, "stpes"), 4, "steps")
    yield _case(("stages", 0, "mixture"), {"none": 1}, "none")
    yield _case(("stages", 0, "mixture"), {"old": 0}, "mixture")
    yield _case(("stages", 0, "mixture"), {"old": -1}, "mixture")
    yield _case(("stages", 0, "mixture"), {"old": float("inf")}, "mixture")
    yield from _cases(
        ("stages", 1, "replay"),
        ("100%", "120%", -0.1, "much", {"old": "100%"}, {}, {"old": 0}),
        "replay",
    )
    yield _case(("stages", 1, "replay"), {"none": "5%"}, "none")
    yield _case(("stages", 0, "replay"), "5%", "replay")
    yield _case(("stages", 1, "replay_from"), "some", "replay_from")
    yield from _cases(
        ("stages", 0, "workers"),
        (0, 3, -1, "2-1", {"min": 2, "max": 1}, {"min": 1}, 1.5),
        "workers",
    )
    yield _case(("stages", 0, "optimizer"), "keep")
    yield _case(("stages", 0, "at_end"), "again")
    yield _case(("stages", 0, "stop_after"), "200%")
    yield _case(("stages", 0, "stop_after"), 0)


def _schedules() -> Iterator[Malformed]:
    yield from _cases(
        ("stages", 0, "schedule"), (None, "cosin", [], {}, {"kind": "klingon"}, 7), "schedule"
    )
    yield from _cases(
        ("stages", 0, "schedule", "max_lr"),
        ("150%", -1e-3, "fast", float("nan"), float("inf"), None, [1e-3]),
        "max_lr",
    )
    yield _case(("stages", 0, "schedule", "max_lr"), REMOVED, "max_lr")
    yield from _cases(
        ("stages", 0, "schedule", "min_lr"), ("200%", -1e-3, float("nan"), 1.0), "min_lr"
    )
    yield from _cases(
        ("stages", 0, "schedule", "warmup"), ("200%", -1, "soon", float("nan")), "warmup"
    )
    yield _case(("stages", 0, "schedule", "maxlr"), 1e-3, "max_lr")
    steep = {"kind": "infinite", "max_lr": 1e-3, "steepness": 1e-17}
    yield _case(("stages", 0, "schedule"), steep, "schedule")
    yield _case(("stages", 0, "schedule"), {**SCHEDULE, "kind": "constant"}, "schedule")


def _settings() -> Iterator[Malformed]:
    optimizer: Fields = {
        "beta1": (1.5, -0.1, 1, "high", float("nan")),
        "beta2": (1.5, 1, float("nan")),
        "epsilon": (-1, float("nan"), "small"),
        "weight_decay": (-0.1, float("nan"), float("inf"), "some"),
        "gradient_clip": (-1, float("nan"), "much"),
        "betas": ([0.9, 0.95],),
    }
    for field, values in optimizer.items():
        yield from _cases(("optimizer", field), values, field)
    validation: Fields = {
        "rows": (0, -1, "all", 1.5),
        "total_rows": (0, -1, "all", 1.5),
        "every": (0, -5, "often"),
        "final_steps": (0, -1),
        "row": (4,),
    }
    for field, values in validation.items():
        yield from _cases(("validation", field), values, field)
    execution: Fields = {
        "precision": ("float16", "fp32", 32, None),
        "attention": ("fast", "flash", None),
        "compile": ("maybe", 2),
        "micro_batch": (0, -1, 1.5),
        "save_every": (0, -1, "0s", "-1 minutes", "10m"),
        "keep_last": (0, -1),
        "max_skipped": (0,),
        "step_timeout": (0, "0 minutes", "soon", -1),
        "batch": (1,),
    }
    for field, values in execution.items():
        yield from _cases(("execution", field), values, field)
    yield _case(("baselines",), ["joint"], "baselines")
    yield _case(("baselines",), "union", "baselines")
    yield _case(("optimiser",), {"beta1": 0.9}, "optimizer")


def _sweeps() -> Iterator[Malformed]:
    yield from _cases(
        ("sweep",), (7, "new.replay", [7], {"new.replay": "5%"}, {"new.replay": []}), "sweep"
    )
    yield _case(("sweep",), {"none.replay": ["0%"]}, "none")
    yield _case(("sweep",), {"new.reply": ["0%"]}, "replay")
    yield _case(("sweep",), {"new.replay": ["0%", "150%"]}, "replay")
    yield _case(("sweep",), {"n" * 100_000: [1]}, "100,000 characters")
    yield _case(("sweep",), {"seed": list(range(2_000)), "new.steps": list(range(4, 999))})
    for label in (" ", "a ", "a  b", "\u3000a"):
        yield _case(("sweep",), {"label": label, "new.replay": ["0%"]}, "sweep.label")
    unread = {"new.schedule.max_lr": [1e-3, 2e-3], "new.schedule": [SCHEDULE]}
    yield _case(("sweep",), unread, "new.schedule.max_lr", "replaces it")
    both = {"later.replay": ["0%", "50%"], "new.replay": ["0%", "25%"]}
    yield _case(("sweep",), both, "later.replay", "replaces it")
    swept: Fields = {
        "corpora.old.text": ["text/old.jsonl", "text/new.jsonl"],
        "corpora.old.validation": ["20%", "30%"],
        "tokenizer": ["./tokenizer", "./other"],
        "name": ["a", "b"],
        "baselines": [["union"], ["scratch"]],
        "old.workers": [1, 2],
        "execution.compile": [True, False],
        "validation.rows": [1, 2],
        "sweep": [[], []],
    }
    for field, values in swept.items():
        yield _case(("sweep",), {field: values}, field.rpartition(".")[2])


def _models() -> Iterator[Malformed]:
    for value in ({}, None, 7, "tiny", {"preset": "gpt-neox-42"}, {"preset": None}):
        yield Malformed(f"model = {value!r}", _with(("model",), value), ("model",))
    yield _case(("model",), {"config": CONFIG, "pretrained": "./base"}, "model")
    yield _case(("model",), {"preset": "gpt-neox-tiny", "pretrained": "./base"}, "model")
    configuration: Fields = {
        "model_type": ("klingon", "", 7, "bert", "t5", "roberta"),
        "hidden_size": (-5, 0, "wide", 1.5, None, 15),
        "num_attention_heads": (3, 0, -1),
        "num_hidden_layers": (-1, "text"),
        "intermediate_size": (-1, "x"),
        "vocab_size": (0, -1, "x", 10, float("inf"), True),
        "max_position_embeddings": (8, -1, "x"),
        "n_layers": (2,),
        "attention_dropout": (0.1,),
        "hiden_size": (16,),
    }
    for field, values in configuration.items():
        yield from _cases(("model", "config", field), values, "model")
    yield _case(("model", "config", "quantization_config"), {"quant_method": "gptq"}, "quant")


def _new_fields() -> Iterator[Malformed]:
    """What a model knows, what a stage trains, merges, control tokens, and what is kept."""
    only: Fields = {"only": ([], [""], [7], {"a": 1}, "nothing*", ["["]), "freeze": ([], "*")}
    lora: Fields = {
        "rank": (0, -1, 1.5, "many", 70_000, None),
        "alpha": (0, -1, "much", 1e300),
        "targets": ([], [""], "nope", "embed_tokens", "lm_head", ["q_proj", "nope"], [7]),
        "dropout": (0.1,),
        "r": (8,),
    }
    for field, values in only.items():
        yield from _cases(("stages", 1, "trains", field), values, field)
    for field, values in lora.items():
        yield from _cases(("stages", 1, "trains", "lora", field), values, field)
    yield from _cases(("stages", 1, "trains"), ("lora", 7, [], None, True, {"some": 1}), "trains")
    both = {"only": ["*norm*"], "lora": {"rank": 2}}
    yield _case(("stages", 1, "trains"), both, "one of only, freeze and lora")
    merges: Fields = {
        "with": ("none", "new", "start", "", 7, None, "000000004-abc"),
        "weights": (["150%"], ["5%", 0.05], "50%", [None], [-1]),
        "method": ("slerp", None),
        "scale": (2,),
    }
    for field, values in merges.items():
        for value in values:
            merge = {"with": "old", field: value}
            yield _case(("merge",), merge, "merge")
    yield from _cases(("merge",), (7, "start", None, {}, [[]]), "merge")
    yield from _cases(("execution", "keep"), ("results", True, None, 1), "keep")
    control = {"load": "./tokenizer", "control_tokens": "some"}
    yield _case(("tokenizer",), control, "control_tokens")
    yield _case(("tokenizer",), REMOVED, "tokenizer")
    for value in (["old"], {"old": "1M"}):
        yield _case(("model", "knows"), value, "knows", "pretrained")
    for value in ("old", 7, None, [7], ["old", "old"], {"old": 0}, {"old": -1}, {"old": "5%"}):
        yield _case(("model", "knows"), value, "knows")


def _seeds_and_telling() -> Iterator[Malformed]:
    yield from _cases(("seeds",), (0, {}, 101, True, {"count": 2, "vary": []}), "seeds")
    yield from _cases(("trackers",), (["mine"], ["aim", "aim"], None, 3), "trackers")
    yield from _cases(("notify",), ({}, "HOOK", {"url_variable": "A", "events": []}), "notify")
    yield _case(("notify",), "https://hooks.example/x", "notify", "is a secret")
    for error in (0, -1, True, "5%", 10):
        yield _case(("validation",), {"standard_error": error}, "standard_error")
    yield from _cases(("corpora", "old", "held_out_seed"), (-1, 1.5, 2**63), "held_out_seed")
