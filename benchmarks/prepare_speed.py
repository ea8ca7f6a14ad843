"""`raycl prepare` beside the library `tokenizers` alone, and beside the method of Megatron-LM.

    python -m benchmarks.prepare_speed FILE.jsonl … --tokenizer FOLDER [--ways alone raycl megatron]

Each way reads the same JSON lines with the same tokenizer on the same number of CPUs. `alone` is
`encode_batch_fast` on batches of about a megabyte with the ids as NumPy arrays, a process for each
CPU with one thread, and nothing read or written that counts. `megatron` is what
tools/preprocess_data.py of Megatron-LM does: a pool of processes takes lines in chunks of 32,
encodes document by document with transformers' tokenizer, and sends lists of ids to one process
that writes them; without shuffling, packing, held-out documents and hashes. `raycl` is the whole
command, Ray's start and end included. CPU seconds are those of all processes. Peaks are of the
largest process of each kind.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.process_use import Measured, run

_BATCH_BYTES = 2**20
_CHUNK = 32  # Megatron-LM's
WAYS = ("alone", "raycl", "megatron")


def lines_of(files: Sequence[str]) -> Iterator[str]:
    """The lines of all files."""
    for file in files:
        with open(file, encoding="utf-8") as stream:
            yield from stream


def text_bytes(files: Sequence[str]) -> int:
    """UTF-8 bytes of all documents."""
    return sum(len(json.loads(line)["text"].encode()) for line in lines_of(files))


# The library alone


def alone(files: Sequence[str], tokenizer: str, cpus: int) -> Measured:
    """CPU seconds of all processes together, and the wall time of the slowest."""
    with multiprocessing.get_context("spawn").Pool(cpus) as pool:
        shares = [(files, tokenizer, number, cpus) for number in range(cpus)]
        found = pool.starmap(_encode_share, shares, chunksize=1)
    measured = Measured(max(wall for wall, _ in found))
    measured.other_cpu = sum(cpu for _, cpu in found)
    return measured


def _encode_share(
    files: Sequence[str], tokenizer: str, number: int, of: int
) -> tuple[float, float]:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from tokenizers import Tokenizer

    encoder = Tokenizer.from_file(f"{tokenizer}/tokenizer.json")
    texts = [json.loads(line)["text"] for line in list(lines_of(files))[number::of]]
    began, used = time.perf_counter(), time.process_time()
    for batch in _batches(texts):
        for encoding in encoder.encode_batch_fast(batch, add_special_tokens=False):
            np.array(encoding.ids, np.uint32)
    return time.perf_counter() - began, time.process_time() - used


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    yield batch


# The method of Megatron-LM

_encoder: Any = None


def megatron(files: Sequence[str], tokenizer: str, cpus: int) -> Measured:
    """All processes, from the pool's start to its end."""
    began = time.perf_counter()
    before = _cpu()
    import transformers  # noqa: F401 (once, for all processes of the pool)

    with tempfile.TemporaryFile() as target:
        pool = multiprocessing.get_context("fork").Pool(cpus, _load, (tokenizer,))
        for ids in pool.imap(_encode_line, lines_of(files), _CHUNK):
            target.write(np.array(ids, np.int32).tobytes())
        pool.close()
        pool.join()
    measured = Measured(time.perf_counter() - began)
    measured.other_cpu = _cpu() - before
    return measured


def _load(tokenizer: str) -> None:
    global _encoder
    from transformers import AutoTokenizer

    _encoder = AutoTokenizer.from_pretrained(tokenizer)


def _encode_line(line: str) -> list[int]:
    ids: list[int] = _encoder(json.loads(line)["text"], add_special_tokens=False).input_ids
    return [*ids, _encoder.eos_token_id]


def _cpu() -> float:
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(use.ru_utime + use.ru_stime for use in map(resource.getrusage, kinds))


# raycl


def raycl(files: Sequence[str], tokenizer: str, environment: Mapping[str, str]) -> Measured:
    """The whole command, into a storage that is removed."""
    with tempfile.TemporaryDirectory(prefix="raycl-benchmark-") as folder:
        recipe = {
            "name": "speed",
            "model": {"preset": "gpt-neox-tiny"},
            "tokenizer": tokenizer,
            "sequence_length": 2048,
            "global_batch": 8,
            "corpora": {"c": {"text": [os.path.abspath(file) for file in files]}},
            "stages": [{"name": "c", "steps": 1, "schedule": {"kind": "constant", "max_lr": 1e-3}}],
        }
        place = Path(folder, "recipe.yaml")  # JSON is YAML
        place.write_text(json.dumps(recipe), encoding="utf-8")
        command = [sys.executable, "-m", "raycl", "prepare", str(place)]
        command += ["--storage", f"{folder}/storage"]
        # Digests of files are looked up in the cache: an empty one, so that the text is read.
        return run(command, {**environment, "XDG_CACHE_HOME": f"{folder}/cache"})


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each way, in turn, as often as asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="+")
    parser.add_argument("--tokenizer", required=True, help="a folder with tokenizer.json")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args(arguments)
    size, cpus = text_bytes(given.files) / 1e6, len(os.sched_getaffinity(0))
    print(f"{size:.1f} MB of text, {cpus} CPUs", flush=True)
    for way in given.ways * given.rounds:
        if way == "raycl":
            found = raycl(given.files, given.tokenizer, os.environ)
        else:
            found = (alone if way == "alone" else megatron)(given.files, given.tokenizer, cpus)
        line = f"{way:9} {found.wall:6.1f} s, {size / found.wall:5.2f} MB/s; "
        line += f"CPU {found.cpu:6.1f} s, {size / found.cpu:5.2f} MB/s a core"
        if way == "raycl":
            line += f"; driver {found.peak('raycl prepare') / 1e6:.0f} MB"
            line += f", tasks {found.peak('ray::') / 1e6:.0f} MB"
            line += f"; CPU of Ray's workers {found.cpu_of('ray::'):.1f} s"
        print(line, flush=True)


if __name__ == "__main__":
    main()
