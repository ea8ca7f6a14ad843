"""One sweep of a soak, in a storage of its own: its recipe, its commands, and what they wrote."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import yaml
from safetensors.numpy import load

from benchmarks import step_log
from raycl.storage import Storage
from raycl.storage.options import S3Options
from tests.helpers.fault_proxy import FaultProxy
from tests.helpers.s3_server import S3Server

ROOT = Path(__file__).parent.parent
NAME = "soak"
_REPLAYS = ["0%", "12.5%", "25%", "50%"]
_SCHEDULE = {"kind": "cosine", "max_lr": "1e-3"}


def recipe(folder: Path, steps: int, replays: int) -> Path:
    """Write a recipe: a stage of two workers, then two branches of one worker per replay share."""
    library = Path(sysconfig.get_paths()["stdlib"])
    corpora: dict[str, Any] = {}
    for name, package in (("old", "email"), ("new", "asyncio")):
        (folder / name).mkdir()
        for file in sorted((library / package).glob("*.py")):
            (folder / name / f"{file.stem}.txt").write_bytes(file.read_bytes())
        corpora[name] = {"text": f"{folder}/{name}/*.txt", "validation": "20%"}
    data = {
        "name": NAME,
        "seed": 3,
        "model": {"preset": "gpt-neox-tiny"},
        "corpora": corpora,
        "tokenizer": {"train": {"vocabulary": 512, "sample_bytes": 200_000}},
        "sequence_length": 32,
        "global_batch": 8,
        "stages": [
            {"name": "old", "steps": steps, "schedule": _SCHEDULE, "workers": 2},
            {"name": "new", "steps": steps, "replay": "25%", "schedule": _SCHEDULE},
        ],
        "validation": {"every": 10, "rows": 8},
        "execution": {"save_every": 5},
        "sweep": {
            "new.replay": _REPLAYS[:replays],
            "new.schedule.max_lr": ["1e-3", "3e-4"],
        },
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return path


@dataclass
class Round:
    """One sweep in a storage of its own, and the commands that work on it."""

    recipe: Path
    url: str
    server: S3Server
    proxy: FaultProxy
    endpoint: str
    folder: Path
    log: Path
    commands: list[subprocess.Popen[bytes]] = field(default_factory=list)
    ever: list[psutil.Process] = field(default_factory=list)

    @property
    def storage(self) -> Storage:
        """The round's storage, reached without the proxy and so without faults."""
        return Storage(self.url, S3Options(self.server.endpoint, "us-east-1"))

    @property
    def command(self) -> subprocess.Popen[bytes]:
        """The oldest running command; the newest command where none runs."""
        return (self.running() or self.commands[-1:])[0]

    def running(self) -> list[subprocess.Popen[bytes]]:
        """The commands that have not ended."""
        return [command for command in self.commands if command.poll() is None]

    def ended_well(self) -> bool:
        """Whether a command has ended with 0, which means that the whole sweep is done."""
        return any(command.poll() == 0 for command in self.commands)

    def start(self) -> None:
        """Start `raycl sweep`, as a user would type it, in a process session of its own."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "AWS_"))}
        environment |= self.server.environment(AWS_ENDPOINT_URL=self.endpoint)
        environment |= {
            "PYTHONPATH": f"{self.folder}:{ROOT}",
            step_log.LOG: str(self.log),
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
        }
        output = (self.folder / f"output-{len(self.commands)}").open("wb")
        self.commands.append(
            subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "raycl",
                    "sweep",
                    str(self.recipe),
                    "--storage",
                    self.url,
                    "--workers",
                    "2",
                ],
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,
                cwd=ROOT,
            )
        )
        output.close()

    def steps_made(self) -> int:
        """Number of steps that all workers have made by now."""
        return self.log.read_bytes().count(b"\n") if self.log.exists() else 0

    def children(self) -> list[psutil.Process]:
        """All descendants of the running commands."""
        found: list[psutil.Process] = []
        for command in self.running():
            with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile
                found += psutil.Process(command.pid).children(recursive=True)
        return found

    def note_children(self) -> None:
        """Remember the descendants, so that `end` can end those that outlive their command."""
        known = set(self.ever)
        self.ever += [child for child in self.children() if child not in known]

    def end(self) -> None:
        """Kill all commands and descendants that still run."""
        for command in self.running():
            command.kill()
            command.wait()
        for process in self.ever:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()  # psutil checks first that the id still names the same process


def end_tensors(storage: Storage) -> dict[str, str]:
    """Digests of the weights and AdamW's state of every recipe's end; empty if one is missing.

    Each tensor has its own digest, because headers of safetensors differ in the order of entries.
    """
    table = pd.read_parquet(io.BytesIO(storage.read_bytes(f"sweeps/{NAME}/results.parquet")))
    if set(table["status"]) != {"finished"}:
        return {}
    return {
        f"{name}/{file}:{key}": f"{tensor.dtype} {sha256(tensor.tobytes()).hexdigest()}"
        for name in table["state"]
        for file in storage.list(f"states/{name}")
        if file.endswith(".safetensors")
        for key, tensor in load(storage.read_bytes(f"states/{name}/{file}")).items()
    }


def copy_corpora(of: Round, expected: Round) -> None:
    """Copy the prepared corpora from another round; a soak does not test their preparation."""
    for path in expected.storage.sizes():
        if path.startswith(("corpora/", "tokenizers/", "bindings/")):
            of.storage.write_bytes(path, expected.storage.read_bytes(path))
