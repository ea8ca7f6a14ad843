"""Recipes as text with one oddity each, as people write and machines damage them."""

from __future__ import annotations

RECIPE = """\
name: small
model: {preset: gpt-neox-tiny}
tokenizer: tokenizer
sequence_length: 16
global_batch: 8
corpora:
  old: {text: old.jsonl}
  new: {text: new.jsonl}
stages:
  - {name: old, steps: 20, schedule: {kind: cosine, max_lr: 3e-3, warmup: 5%}}
  - name: new
    steps: 24
    replay: 25%
    schedule: {kind: cosine, max_lr: 2e-3, warmup: 5%}
validation: {rows: 4}
"""
_LINES = RECIPE.count("\n")

NEXT = _LINES + 1
"""The number of the line that is added to the recipe."""


def added(line: str) -> str:
    """The recipe with a line at its end."""
    return f"{RECIPE}{line}\n"


def replaced(old: str, new: str) -> str:
    """The recipe with a piece of its text replaced, which must be in it."""
    assert old in RECIPE
    return RECIPE.replace(old, new, 1)


def alias_bomb(levels: int = 9, width: int = 9) -> str:
    """Lists of aliases of lists of aliases: width ** levels values in a few hundred bytes."""
    lines = ["l0: &l0 [" + ", ".join(["x"] * width) + "]"]
    for level in range(1, levels):
        lines.append(f"l{level}: &l{level} [" + ", ".join([f"*l{level - 1}"] * width) + "]")
    return added("\n".join(lines))


INFINITE = "{kind: infinite, max_lr: 1e-3, constant_lr: 5e-4, min_lr: 1e-4"
CONSTANT = "{kind: cosine, max_lr: 3e-3, warmup: 5%}"

MALFORMED: dict[str, tuple[str | bytes, list[str]]] = {
    # Names
    "a field twice": (added("seed: 1\nseed: 2"), [f":{NEXT + 1}:1", "twice", f"line {NEXT} "]),
    "a corpus twice": (replaced("  new: {", "  old: {"), [":8:3", "'old'", "line 7 and in line 8"]),
    "a nested field twice": (replaced("{rows: 4}", "{rows: 4, rows: 5}"), [":15:23", "twice"]),
    "two merges": (replaced("{rows: 4}", "{<<: {rows: 3}, <<: {rows: 2}}"), ["'<<'", "twice"]),
    "corpus no": (replaced("  old: {t", "  no: {t"), [":7:3", "true or false", "Quote it: 'no'"]),
    "corpus 2023": (replaced("  old: {t", "  2023: {t"), [":7:3", "a number", "'2023'"]),
    "corpus 1.5": (replaced("  old: {t", "  1.5: {t"), [":7:3", "a number", "'1.5'"]),
    "a date as name": (replaced("  old: {t", "  2023-01-01: {t"), [":7:3", "a date"]),
    "null as name": (replaced("  old: {t", "  ~: {t"), [":7:3", "nothing"]),
    "= as name": (replaced("  old: {t", "  =: {t"), [":7:3", "Quote it"]),
    "a list as name": (replaced("  old: {t", "  ? [a, b]\n  : {t"), [":7:5", "Write a name"]),
    "a mapping as name": (replaced("{rows: 4}", "{{a: 1}: 2}"), [":15:", "Write a name"]),
    "names of two kinds": (
        replaced("{preset: gpt-neox-tiny}", "{config: {a: 1, 2: 3, 2024-01-01: 4}}"),
        [":2:", "a number", "Quote it"],
    ),
    "a long name": (added(f"? {'a' * 100_000}\n: 1"), ["100,000 characters", "at most 200"]),
    "a long axis": (added(f"sweep:\n  ? new.{'b.' * 50_000}c\n  : [1]"), ["characters"]),
    # Values that mean something else
    "name no": (replaced("name: small", "name: no"), [":1:", "is no", "Quote it", "'no'"]),
    "name 2023": (replaced("name: small", "name: 2023"), [":1:", "Quote it", "'2023'"]),
    "name is a date": (replaced("name: small", "name: 2023-01-01"), [":1:7", "a date", "Quote it"]),
    "no name": (replaced("name: small", "name:"), [":1:", "nothing"]),
    "text 12": (replaced("text: old.jsonl", "text: 12"), [":7:", "Quote it", "'12'"]),
    "text no": (replaced("text: old.jsonl", "text: [a, no]"), [":7:", "text.1", "Quote it"]),
    "tokenizer 1.5": (replaced("r: tokenizer", "r: 1.5"), [":3:", "Quote it", "'1.5'"]),
    "octal": (replaced("steps: 20", "steps: 0100"), [":10:24", "0100 as 64"]),
    "octal with sign": (added("seed: +010"), ["+010 as 8"]),
    "hexadecimal": (added("seed: 0x10"), ["0x10 as 16"]),
    "binary number": (added("seed: 0b11"), ["0b11 as 3"]),
    "sexagesimal": (replaced("steps: 20", "steps: 1:00"), [":10:24", "1:00 as 60"]),
    "sexagesimal with point": (replaced("replay: 25%", "replay: 0:00.5"), [":13:13", "0:00.5 as"]),
    "0o": (replaced("steps: 20", "steps: 0o24"), [":10:", "'0o24' is not a number"]),
    "yes for a number": (replaced("steps: 20", "steps: yes"), [":10:", "is yes", "true or false"]),
    "infinity": (added("seed: .inf"), [f":{NEXT}:7", ".inf as inf"]),
    "not a number": (added("optimizer: {beta1: .nan}"), [f":{NEXT}:20", ".nan as nan"]),
    "a float beyond floats": (added("seed: 1.0e+400"), ["as inf"]),
    "a rate that is a share": (replaced("max_lr: 3e-3", "max_lr: 150%"), [":10:", "share"]),
    "a start that is a share": (
        replaced("warmup: 5%}}", "start_lr: 1%}}"),
        [":10:", "start_lr is '1%'", "a share"],
    ),
    "a date": (added("seed: 2024-12-01"), [f":{NEXT}:7", "a date"]),
    "no date": (added("seed: 2024-13-01"), [f":{NEXT}:7", "2024-13-01"]),
    "empty hexadecimal": (added("seed: 0x_"), [f":{NEXT}:7", "0x_"]),
    "5,000 digits": (added(f"seed: {'9' * 5000}"), [f":{NEXT}:7", "5,000 digits"]),
    "5,000 digits as text": (added(f"seed: '{'9' * 5000}'"), [f":{NEXT}:", "not a number"]),
    "5,000 digits after the point": (added(f"seed: 0.{'0' * 5000}1"), ["digits"]),
    # Tags
    "!!int": (added("seed: !!int foo"), [f":{NEXT}:7", "!!int does not fit 'foo'"]),
    "!!bool": (added("seed: !!bool foo"), ["!!bool does not fit"]),
    "!!float": (added("seed: !!float foo"), ["!!float does not fit"]),
    "!!timestamp": (added("seed: !!timestamp foo"), ["!!timestamp does not fit"]),
    "!!binary": (added("seed: !!binary foo"), ["!!binary has no meaning"]),
    "!!set": (added("execution: !!set {compile}"), ["!!set has no meaning"]),
    "!!omap": (added("execution: !!omap [compile: no]"), ["!!omap has no meaning"]),
    "!own": (added("seed: !own 1"), ["!own has no meaning", "Leave it out"]),
    "!!python": (added("seed: !!python/name:os.system"), ["!!python/name:os.system"]),
    # Structure
    "two documents": (added("---\nname: other"), [f":{NEXT}:1", "Keep one document"]),
    "a tab": (replaced("  - name: new", "\t- name: new"), [":11:1", "Indent with spaces"]),
    "no alias": (added("seed: *other"), [f":{NEXT}:7", "undefined alias"]),
    "a colon": (added("tokenizer2: a: b"), [f":{NEXT}:", "quote text"]),
    "an open list": (added("seed: [1"), ["not readable as YAML"]),
    "a future version": (f"%YAML 3.0\n---\n{RECIPE}", [":1:1", "version"]),
    "lists in lists": (added(f"seed: {'[' * 1000}{']' * 1000}"), ["40 levels"]),
    "open lists in lists": (added(f"seed: {'[' * 100_000}"), ["40 levels"]),
    "block lists in lists": (added(f"seed:\n{'- ' * 1000}1"), [f":{NEXT + 1}:", "40 levels"]),
    "mappings in mappings": (added(f"seed: {'{a: ' * 1000}1{'}' * 1000}"), ["40 levels"]),
    "aliases in depth": (
        added(f"a: &a {'[' * 30}{']' * 30}\nb: {'[' * 30}*a{']' * 30}"),
        [f":{NEXT + 1}:", "40 levels"],
    ),
    "a circle in the model": (
        replaced("{preset: gpt-neox-tiny}", "&m {preset: gpt-neox-tiny, config: {a: *m}}"),
        [":2:", "*m stands for itself"],
    ),
    "a circle of a list": (added("execution: &x [*x]"), ["*x stands for itself"]),
    "a circle of a merge": (added("execution: &x {<<: *x}"), ["*x stands for itself"]),
    "an alias bomb": (alias_bomb(), ["values", "at most 20,000"]),
    "a bomb of merges": (alias_bomb().replace("[", "{<<: [").replace("]", "]}"), ["values"]),
    "very many values": (added(f"seed: [{'1,' * 30_000}]"), ["more than 20,000 values"]),
    "a merge of a number": (replaced("{rows: 4}", "{<<: 3}"), [":15:", "a mapping"]),
    # Bytes
    "UTF-16": (RECIPE.encode("utf-16"), ["UTF-16", "Save it as UTF-8"]),
    "Latin-1": (RECIPE.replace("tokenizer\n", "töken\n").encode("latin-1"), [":3:", "0xf6"]),
    "a zero byte": (RECIPE.encode() + b"\0", [f":{NEXT}:", "a binary file"]),
    "a program": (b"\x7fELF\x02\x01\x01\0\0\0\xff\xfe", ["a binary file"]),
    "a control character": (added("seed: \x01"), [f":{NEXT}:7", "U+0001"]),
    "an escaped zero": (replaced("r: tokenizer", 'r: "a\\0b"'), [":3:12", "U+0000"]),
    "half a character": (replaced("r: tokenizer", 'r: "\\ud800"'), [":3:12", "U+D800"]),
    "a character beyond all": (added('seed: "\\UFFFFFFFF"'), [f":{NEXT}:", "not readable"]),
    "nothing": ("", ["not a mapping"]),
    "a comment alone": ("# nothing\n", ["not a mapping"]),
    "a text alone": ("hello", ["not a mapping"]),
    "a large file": (b"#" * 2_000_000, ["larger than 1.05 MB"]),
}
"""By what is odd: the text or bytes of a recipe, and what the error says."""

UNUSABLE: dict[str, tuple[str, list[str]]] = {
    "no corpora": (
        replaced("corpora:\n  old: {text: old.jsonl}\n  new: {text: new.jsonl}", "corpora: {}"),
        ["corpora is empty"],
    ),
    "vocab_size 1e400": (
        replaced("{preset: gpt-neox-tiny}", "{preset: gpt-neox-tiny, config: {vocab_size: 1e400}}"),
        [":2:", "1e400"],
    ),
    "vocab_size yes": (
        replaced("{preset: gpt-neox-tiny}", "{preset: gpt-neox-tiny, config: {vocab_size: yes}}"),
        [":2:", "vocab_size"],
    ),
    "sequence_length 0": (replaced("length: 16", "length: 0"), [":4:", "more than 0"]),
    "sequence_length 1e9": (replaced("length: 16", "length: 1e9"), [":4:", "10000000 or less"]),
    "sequence_length 1e300": (replaced("length: 16", "length: 1e300"), [":4:", "64 bits"]),
    "sequence_length 1e400": (replaced("length: 16", "length: 1e400"), [":4:", "too large"]),
    "a batch of 1e18": (replaced("batch: 8", "batch: 1e18"), ["global_batch", "smaller"]),
    "a batch of 1e18 tokens": (replaced("batch: 8", "batch: 1e18 tokens"), ["global_batch"]),
    "1e10 steps": (replaced("steps: 20", "steps: 1e10"), ["10,000,000,000 steps", "10,000,000"]),
    "1e300 steps": (replaced("steps: 20", "steps: 1e300"), [":10:", "64 bits"]),
    "9e18 tokens": (replaced("steps: 20", "tokens: 9e18"), ["stages.old", "steps"]),
    "half a step": (replaced("steps: 20", "steps: 0.5"), [":10:", "whole number"]),
    "steepness 1e-17": (
        replaced(CONSTANT, f"{INFINITE}, shape: inverse-sqrt, steepness: 1e-17}}"),
        [":10:", "steepness", "1e-06 or more"],
    ),
    "steepness 1e300": (
        replaced(CONSTANT, f"{INFINITE}, shape: inverse-sqrt, steepness: 1e300}}"),
        ["steepness"],
    ),
    "a plateau as a share": (
        replaced(CONSTANT, "{kind: infinite, max_lr: 1e-3, constant_lr: 50%}"),
        ["constant_lr is '50%'", "a share"],
    ),
    "max_lr 1e300": (replaced("max_lr: 3e-3", "max_lr: 1e300"), [":10:", "above 1000"]),
    "max_lr 0": (replaced("max_lr: 3e-3", "max_lr: 1e-400"), [":10:", "not above 0"]),
    "min_lr above max_lr": (replaced("warmup: 5%}}", "min_lr: 150%}}"), [":10:", "outside"]),
    "beta1 1.5": (added("optimizer: {beta1: 1.5}"), [f":{NEXT}:", "Give less than 1"]),
    "beta2 1": (added("optimizer: {beta2: 1}"), ["beta2", "less than 1"]),
    "beta1 below 0": (added("optimizer: {beta1: -0.1}"), ["beta1", "0.0 or more"]),
    "epsilon below 0": (added("optimizer: {epsilon: -1}"), ["epsilon", "more than 0"]),
    "epsilon 0": (added("optimizer: {epsilon: 0}"), ["epsilon", "more than 0"]),
    "weight_decay below 0": (added("optimizer: {weight_decay: -1}"), ["weight_decay", "or more"]),
    "weight_decay 1e300": (added("optimizer: {weight_decay: 1e300}"), ["weight_decay", "or less"]),
    "gradient_clip 0": (added("optimizer: {gradient_clip: 0}"), ["gradient_clip", "more than 0"]),
    "a long name": (replaced("name: small", f"name: {'a' * 300}"), [":1:", "at most 100"]),
    "a long stage": (replaced("name: new", f"name: {'a' * 101}"), [":11:", "at most 100"]),
    "a long corpus": (
        replaced("  new: {", f"  {'a' * 101}: {{"),
        ["101 characters"],
    ),
    "a long path": (replaced("r: tokenizer", f"r: {'a' * 100_000}"), [":3:", "at most 4096"]),
    "an empty path": (replaced("r: tokenizer", "r: ''"), [":3:", "tokenizer"]),
    "an unknown corpus": (replaced("text: old.jsonl", "fetch: klingon"), ["klingon", "german"]),
    "no rows": (replaced("rows: 4", "rows: 0"), [":15:", "more than 0"]),
    "rows beyond counting": (replaced("rows: 4", "rows: 1e19"), [":15:", "64 bits"]),
    "a seed of 65 bits": (added("seed: 36893488147419103232"), [f":{NEXT}:", "64 bits"]),
    "a seed below 0": (added("seed: -1"), [f":{NEXT}:", "0 or more"]),
    "workers beyond counting": (
        replaced("replay: 25%", "workers: {min: 1, max: 1e12}"),
        [":13:", "100000 or less"],
    ),
    "a misspelt field": (replaced("replay: 25%", "reply: 25%"), [":13:", "Did you mean 'replay'"]),
    "a flag that is none": (added("execution: {compile: maybe}"), ["compile", "true or false"]),
    "a long value": (added(f"sweep: {{new.replay: [{'x' * 100_000}]}}"), ["characters"]),
    "a label of two lines": (
        added('sweep: {label: "a\\nb", new.replay: [1%]}'),
        ["sweep.label", "one line"],
    ),
    "a stage by its number": (added("sweep: {stages.1.steps: [1, 2]}"), ["old.steps, new.steps"]),
    "a grid of 160,000": (
        added(f"sweep: {{seed: {list(range(400))}, new.steps: {list(range(1, 401))}}}"),
        ["160,000 recipes (400 × 400)", "10,000"],
    ),
    "a grid of 10 ** 12": (
        added(f"sweep: {{seed: &a {list(range(1, 1001))}, new.steps: *a, old.steps: *a, b.c: *a}}"),
        ["1,000,000,000,000 recipes"],
    ),
    "a million branches": (
        replaced("replay: 25%", f"anneal: {{at: {['1%'] * 1001}, length: 2 steps, min_lr: 1%}}"),
        ["anneal.at"],
    ),
}
"""By what cannot be: the text of a recipe that is good YAML, and what the error says."""

FIXED = {
    "name": "[x, y]",
    "tokenizer": "[x, y]",
    "sequence_length": "[16, 32]",
    "corpora.old.text": "[x, y]",
    "corpora.old.validation": "[1%, 2%]",
    "corpora.old.seed": "[1, 2]",
    "corpora.old.shard_tokens": "[1M, 2M]",
    "corpora": "[{old: {text: a}, new: {text: b}}]",
    "baselines": "[[union], []]",
    "sweep": "[[]]",
    "validation.rows": "[4, 8]",
    "validation": "[{rows: 4}, {rows: 8}]",
    "new.workers": "[1, 2]",
    "later.workers": "[1, 2]",
    "new.workers.max": "[1, 2]",
    "new.name": "[x, y]",
    "execution.micro_batch": "[1, 2]",
    "execution.compile": "[true, false]",
    "execution": "[{compile: true}, {compile: false}]",
}
"""Fields that cannot vary within one storage, or change no state, with values for them."""
