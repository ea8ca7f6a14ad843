"""Training on a disk that is too small, and again when it has room (`python -m`, in a namespace).

Runs inside `unshare -rm`, where anybody may mount a tmpfs, which goes with the process. Prints one
line of JSON for each size of the disk.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import torch

from raycl.storage import Storage
from tests.helpers.training_runs import make_storage, make_task, run


def attempt(disk: Path, kilobytes: int) -> dict[str, object]:
    """What happened on a disk of this size: the error, what counted as complete, the rerun."""
    options = ["-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(disk)]
    subprocess.run(["mount", *options], check=True)
    storage = make_storage(disk / "storage")
    error = ""
    try:
        run(storage, save_every=1)
    except Exception as caught:
        error = f"{type(caught).__name__}: {caught}"
    complete = marked(storage)
    partial = [path for path in (disk / "storage").rglob("*.partial-*") if path.is_file()]
    subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)
    again = run(storage, save_every=1)[-1]["optimizer_steps"]
    copy = Path(sys.argv[2]) / f"{kilobytes}"
    copy.mkdir()
    end = Path(storage.full_path(f"states/{make_task().chain.name(6)}"))
    for file in end.glob("*.safetensors"):
        (copy / file.name).write_bytes(file.read_bytes())
    subprocess.run(["umount", str(disk)], check=True)
    return {"error": error, "complete": complete, "partial": len(partial), "again": again}


def marked(storage: Storage) -> list[int]:
    """Steps of the states that count as complete."""
    names = storage.list("states")
    return [int(n[:9]) for n in names if storage.exists(f"states/{n}/state.json")]


if __name__ == "__main__":
    torch.set_num_threads(1)
    for size in sys.argv[3:]:
        print(json.dumps(attempt(Path(sys.argv[1]), int(size))), flush=True)
