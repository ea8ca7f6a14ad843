"""Made-up snapshots of realistic sizes, by the contract of the page: numbers that mean nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

Json = dict[str, object]
AT = "2026-11-28T22:00:00+00:00"
HALF = 500  # steps of each stage
HEADLINE = (
    "Use a quarter of replay at a maximum rate of 3e-3: it forgets nothing, and what it costs on "
    "German is within the noise."
)
COLUMNS: list[Json] = [
    {"name": f"{name}/{corpus}", "title": corpus, "group": group, "unit": unit, "better": -1}
    for name, group, unit in [
        ("loss", "loss", "nats/token"),
        ("bits_per_byte", "bits per byte", "bits/byte"),
    ]
    for corpus in ("english", "german")
]
COLUMNS += [
    {"name": "average", "title": "average", "group": "loss", "unit": "nats/token", "better": -1},
    {"name": "forgetting/english", "title": "forgetting", "group": "change", "better": -1},
    {"name": "adaptation/german", "title": "adaptation", "group": "change", "better": 1},
    {"name": "tokens", "title": "tokens", "group": "effort", "unit": "tokens", "better": 0},
    {"name": "seconds", "title": "seconds", "group": "effort", "unit": "s", "better": -1},
]
for _column in COLUMNS:
    _column.setdefault("unit", "nats/token")
    _column["hint"] = f"{str(_column['group']).capitalize()}: what it means."
    _column["digits"] = 0 if _column["group"] == "effort" else 2


def made_snapshot(*sweeps: Json, live: bool = False) -> Json:
    """A snapshot with these sweeps, and with the curves and logs of their nodes."""
    nodes = [node for sweep in sweeps for node in _list(sweep["nodes"])]
    started = [node for node in nodes if node["step"] != node["first_step"]]
    return {
        "format": 1,
        "storage": "s3://models/continual",
        "read_at": AT,
        "version": "1.0",
        "live": live,
        "damaged": [],
        "sweeps": list(sweeps),
        "curves": {str(node["name"]): made_curves(node) for node in started},
        "logs": {str(node["name"]): made_log(node) for node in started},
    }


def made_sweep(
    name: str, fields: Mapping[str, Sequence[object]], seeds: int = 1, running: bool = False
) -> Json:
    """A sweep over a grid: a stage that all share, then one node a recipe, then two baselines.

    The last of a running sweep's recipes fail, wait, train and are paused.
    """
    grid = [dict(zip(fields, v, strict=True)) for v in itertools.product(*fields.values())]
    settings = [(_label(values), values) for values in grid]
    roots = [_node(f"{name}-root-{s}", "english", None, 0, HALF) for s in range(seeds)]
    nodes, recipes = list(roots), []
    for (setting, values), seed in itertools.product(settings, range(seeds)):
        label = f"{setting}, seed {seed}" if seeds > 1 else setting
        node = _node(f"{name}-{len(nodes):04d}", "german", str(roots[seed]["name"]), HALF, 2 * HALF)
        nodes.append(node)
        recipes.append(_recipe(label, setting, seed if seeds > 1 else None, values, node))
        for shared in (roots[seed], node):
            _add_run(shared, label)
    if running:
        for node, recipe, status in zip(
            nodes[-4:], recipes[-4:], ("failed", "held", "training", "waiting"), strict=True
        ):
            _unfinished(node, recipe, status)
    for label, kind, steps in (("union", "union", 2 * HALF), ("german alone", "scratch", HALF)):
        node = _node(f"{name}-{kind}", label, None, 0, steps)
        nodes.append(node)
        _add_run(node, label)
        recipes.append(_recipe(label, label, None, {}, node) | {"kind": kind})
    finished = [r for r in recipes if r["status"] == "finished" and r["kind"] == "sweep"]
    best = min(finished, key=lambda recipe: _values(recipe)["average"])
    best["best"] = ["average"]
    return {
        "name": name,
        "updated": AT,
        "headline": HEADLINE,
        "notes": ["Validation on 400 held-out documents."],
        "facts": {
            "Model": {"architecture": "GPT-NeoX, 14M parameters", "sequence length": "512"},
            "Versions": ["raycl 1.0", "torch 2.13"],
            "How to rerun": "$ raycl sweep sweep.yaml --storage s3://models/continual",
        },
        "recipe": f"name: {name}\nmodel: {{architecture: gpt-neox}}\nstages: [english, german]\n",
        "summary": _summary(nodes, len(settings) * seeds),
        "fields": list(fields),
        "measured": "Validation loss at the end of the last stage on 64 validation rows.",
        "columns": COLUMNS,
        "recipes": recipes,
        "settings": _settings(settings, recipes) if seeds > 1 else [],
        "objective": {
            "text": "english and german, both as low as possible",
            "columns": ["loss/english", "loss/german"],
            "front": [str(best["label"])],
        },
        "advice": {
            "headline": HEADLINE,
            "points": [
                {
                    "kind": "recommendation",
                    "title": "Replay",
                    "text": "Beyond 25 % nothing is gained: −0.01 ± 0.02 nats/token at 50 %.",
                },
                {
                    "kind": "warning",
                    "title": "The grid's edge",
                    "text": "The best rate is the largest that was tried.",
                },
            ],
            "command": "raycl sweep sweep.yaml --set german.schedule.max_lr=6e-3",
        },
        "nodes": nodes,
        "merges_left": [],
    }


def made_curves(node: Json) -> Json:
    """Curves of a node up to the step that it has reached."""
    first, step = int(str(node["first_step"])), int(str(node["step"]))
    steps = list(range(first + 10, step + 1, 10))
    phase = sum(map(ord, str(node["name"]))) % 17 / 17
    fall = [4.5 + 6 * (1 + s / 40) ** -0.7 + 0.1 * math.sin(s / 7) for s in steps]
    measured = steps[9::10] or steps[-1:]
    new = node["stage"] == "german"
    english = [5 + 5 * (1 + s / 30) ** -0.7 + (phase if new else 0) for s in measured]
    german = [4.7 + (1 if new else 4) * (1 + (s - first) / 40) ** -0.6 for s in measured]
    return {
        "loss": [steps, fall],
        "learning_rate": [steps, [3e-3 * (1 - (s - first) / 1100) for s in steps]],
        "tokens_per_second": [steps, [52_000 + 900 * math.sin(s) for s in steps]],
        "validation/english": [measured, english],
        "validation/german": [measured, german],
        "rows/english": [steps, [6 * s for s in steps]],
        "rows/german": [steps, [122 * (s - first) for s in steps]],
    }


def made_log(node: Json) -> list[Json]:
    """Two lines, or three where the node has failed."""
    lines: list[Json] = [
        {"at": AT, "kind": "started", "text": "on 2 workers"},
        {"at": AT, "kind": "saved", "text": f"step {node['step']}"},
    ]
    failed: Json = {"at": AT, "kind": "failed", "text": str(node["failure"])}
    return [*lines, failed] if node["status"] == "failed" else lines


def _list(value: object) -> list[Json]:
    assert isinstance(value, list)
    return value


def _add_run(node: Json, label: str) -> None:
    assert isinstance(node["recipes"], list)
    node["recipes"].append(label)


def _values(recipe: Json) -> dict[str, float]:
    assert isinstance(recipe["values"], dict)
    return recipe["values"]


def _label(values: Mapping[str, object]) -> str:
    return ", ".join(f"{key.split('.')[-1].replace('_', ' ')} {v}" for key, v in values.items())


def _node(name: str, stage: str, parent: str | None, first: int, last: int) -> Json:
    return {
        "name": name, "short": name[-8:], "parent": parent, "stage": stage, "first_step": first,
        "last_step": last, "recipes": [], "status": "finished", "step": last, "told": "finished",
        "failure": "", "tokens_per_second": 52_000.0, "seconds_left": None, "loss": 4.9,
        "updated": AT, "workers": 2,
    }  # fmt: skip


def _recipe(
    label: str, setting: str, seed: int | None, values: Mapping[str, object], node: Json
) -> Json:
    place = sum(ord(letter) * (i + 1) for i, letter in enumerate(label)) % 97 / 97
    share = float(str(values.get("german.replay", "10%")).rstrip("%")) / 100
    rate = float(str(values.get("german.schedule.max_lr", 3e-3)))
    english = 4.6 + 2.4 * math.exp(-12 * share) + 60 * rate + 0.05 * place
    german = 4.7 + 0.5 * share + 0.9 * math.exp(-900 * rate) + 0.04 * place
    numbers = {
        "loss/english": english, "loss/german": german, "average": (english + german) / 2,
        "bits_per_byte/english": english / 3, "bits_per_byte/german": german / 2.7,
        "forgetting/english": english - 4.9, "adaptation/german": 8.6 - german,
        "tokens": 2 * HALF * 65536.0, "seconds": 840 + 90 * place,
    }  # fmt: skip
    parent = [node["parent"]] if node["parent"] else []
    return {
        "label": label, "setting": setting, "seed": seed, "kind": "sweep", "status": "finished",
        "state": node["name"], "fields": dict(values), "values": numbers,
        "standard_errors": {"loss/english": 0.03, "loss/german": 0.004},
        "nodes": [*parent, node["name"]], "rows": {"english": 6400, "german": 57600}, "best": [],
    }  # fmt: skip


def _unfinished(node: Json, recipe: Json, status: str) -> None:
    step = {"failed": 620, "held": 700, "training": 810, "waiting": HALF}[status]
    recipe |= {"status": "failed" if status == "failed" else "unfinished"}
    recipe["values"] = dict.fromkeys(_values(recipe))
    node |= {"status": status, "step": step, "told": "", "loss": 5.1}
    node["failure"] = "CUDA out of memory on worker 1" if status == "failed" else ""
    if status == "training":
        node |= {"seconds_left": 95.0, "told": "step 810 of 1000, 2 min left"}


def _summary(nodes: list[Json], recipes: int) -> Json:
    def number(status: str) -> int:
        return sum(node["status"] == status for node in nodes)

    statuses = ("finished", "training", "waiting", "failed", "held")
    total = sum(int(str(n["last_step"])) - int(str(n["first_step"])) for n in nodes)
    done = sum(int(str(n["step"])) - int(str(n["first_step"])) for n in nodes)
    return {
        "nodes": len(nodes), **{status: number(status) for status in statuses}, "steps_done": done,
        "steps_total": total, "steps_shared": (recipes - 1) * HALF, "tokens_per_second": 104_000.0,
        "seconds_left": 380.0,
    }  # fmt: skip


def _settings(settings: list[tuple[str, dict[str, object]]], recipes: list[Json]) -> list[Json]:
    found: list[Json] = []
    for setting, fields in settings:
        members = [_values(r) for r in recipes if r["setting"] == setting]
        known = [m for m in members if m["average"] is not None]
        values: Json = {}
        for column in known[0] if known else []:
            seen = [member[column] for member in known]
            mean = sum(seen) / len(seen)
            sd = math.sqrt(sum((v - mean) ** 2 for v in seen) / max(len(seen) - 1, 1))
            low, high = mean - 2 * sd, mean + 2 * sd
            values[column] = {"mean": mean, "sd": sd, "low": low, "high": high, "n": len(seen)}
        found.append(
            {"setting": setting, "fields": fields, "seeds": len(members), "values": values,
             "best": []}
        )  # fmt: skip
    found[-1]["best"] = ["average"]
    return found
