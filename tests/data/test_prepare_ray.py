"""Preparation on a real Ray: the same bytes for 1 and 2 CPUs, and after a kill."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from raycl.data.manifest import load_manifest
from raycl.data.prepare import TextSource, train_tokenizer
from raycl.data.shards import verify_corpus
from raycl.storage import Storage
from tests.helpers.corpus_text import texts, write_lines
from tests.helpers.paths import ROOT
from tests.helpers.waiting import wait_until_ended

pytestmark = pytest.mark.ray

DRIVER = """
import json, os, sys, tempfile, ray
from raycl.errors import InputError
from raycl.data.prepare import CorpusSpec, TextSource, prepare_corpus
from raycl.storage import Storage
folder, storage, cpus, tokenizer, temporary, *patterns = sys.argv[1:]
ray.init(num_cpus=int(cpus), _temp_dir=temporary, include_dashboard=False, log_to_driver=False)
def progress(phase, done, total):
    print("progress", phase, done, total, flush=True)
for pattern in patterns:
    spec = CorpusSpec("c", TextSource((f"{folder}/{pattern}",)), 16, 0.1, 3, 20_000)
    try:
        prepare_corpus(Storage(storage), spec, tokenizer, progress, unit_bytes=60_000)
    except InputError as error:
        print("refused", error, flush=True)
"""


def start(
    tmp_path: Path, temporary: str, storage: str, cpus: int, tokenizer: str, *patterns: str
) -> subprocess.Popen[str]:
    """A driver process of its own, with its own Ray."""
    arguments = [str(tmp_path), str(tmp_path / storage), str(cpus), tokenizer]
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, *arguments, temporary, *patterns],
        stdout=subprocess.PIPE,
        text=True,
        # Of its own: another test's cluster must not be found.
        env={k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
        | {"PYTHONPATH": str(ROOT)},
    )


def lines_of(process: subprocess.Popen[str]) -> list[str]:
    """What the driver printed until it ended by itself."""
    output, _ = process.communicate(timeout=400)
    assert process.returncode == 0
    return output.splitlines()


@pytest.fixture
def temporary() -> Iterator[str]:
    """A folder for Ray's sessions; its sockets need a short path."""
    with tempfile.TemporaryDirectory(prefix="rp-", dir="/tmp", ignore_cleanup_errors=True) as name:
        yield name


def test_a_kill_the_number_of_cpus_and_a_bad_file_change_nothing(
    tmp_path: Path, temporary: str
) -> None:
    write_lines(tmp_path / "a.jsonl", texts(3_000))
    source = TextSource((f"{tmp_path}/a.jsonl",))
    path, _ = train_tokenizer(Storage(tmp_path / "one"), [source], 330, 50_000, 0)
    tokenizer = str(tmp_path / "one" / path)

    process = start(tmp_path, temporary, "one", 2, tokenizer, "a.jsonl")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("progress tokenise 3 "):
            break
    # All at once, as when a machine loses its power: alone, Ray notices its driver's death late.
    driver = psutil.Process(process.pid)
    started = driver.children(recursive=True)
    assert any(" ".join(child.cmdline()).startswith("ray::") for child in started)
    for victim in (driver, *started):
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.kill()
    process.communicate()
    wait_until_ended(started)
    assert not (tmp_path / "one/corpora/c/manifest.json").exists()

    output = lines_of(start(tmp_path, temporary, "one", 2, tokenizer, "a.jsonl"))
    first = next(line for line in output if line.startswith("progress tokenise"))
    assert int(first.split()[2]) >= 3

    # The other Ray first meets a bad file: an error in a task arrives as one sentence.
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": "fine"}) + "\n{nope\n")
    output = lines_of(start(tmp_path, temporary, "two", 1, tokenizer, "*.jsonl", "a.jsonl"))
    refused = [line for line in output if line.startswith("refused")]
    assert len(refused) == 1
    assert f"{tmp_path}/b.jsonl line 2: not valid JSON" in refused[0]

    one, two = (verify_corpus(Storage(tmp_path / name), "corpora/c") for name in ("one", "two"))
    assert one == two
    assert len(one.train.shards) > 1
    assert load_manifest(Storage(tmp_path / "one"), "corpora/c").fingerprint == two.fingerprint
    assert not (tmp_path / "one/corpora/c/.spool").exists()
