"""A sweep from raw text to report in a bucket of Google Cloud Storage's API."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from raycl.errors import InputError
from raycl.storage import Storage
from tests.helpers.gcs_server import GcsServer
from tests.helpers.heads import write_small_recipe
from tests.helpers.paths import ROOT
from tests.helpers.report_page import snapshot_in

pytestmark = pytest.mark.s3


def raycl(*arguments: str) -> str:
    """What the command prints, when it has ended well."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-m", "raycl", *arguments],
        capture_output=True,
        text=True,
        env=environment | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        timeout=560,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.ray
def test_from_text_to_report_and_again(gcs: GcsServer, tmp_path: Path) -> None:
    path = write_small_recipe(tmp_path)
    bucket, recipe = f"gs://anonymous@{gcs.new_bucket()}", str(path)
    for file in (tmp_path / "text").glob("*.txt"):
        Storage(f"{bucket}/text").write_bytes(file.name, file.read_bytes())
    path.write_text(path.read_text().replace("text/*.txt", f"{bucket}/text/*.txt"))
    url = f"{bucket}/runs"
    raycl("sweep", recipe, "--storage", url, "--workers", "1")
    storage = Storage(url)
    table = pd.read_parquet(io.BytesIO(storage.read_bytes("sweeps/job/results.parquet")))
    assert list(table["status"]) == ["finished"]
    assert table["loss/code"].notna().all()
    (sweep,) = snapshot_in(storage.read_bytes("sweeps/job/report.html"))["sweeps"]
    assert [recipe["state"] for recipe in sweep["recipes"]] == list(table["state"])
    assert "Nothing to train" in raycl("sweep", recipe, "--storage", url)
    assert "1 of 1" in raycl("status", "--storage", url)
    assert storage.list("states") == list(table["state"])
    assert storage.list("states")[0] in raycl("states", "--storage", url)


@pytest.mark.timeout(180)  # Google's library would try for a quarter of an hour
def test_a_missing_bucket_is_named(gcs: GcsServer) -> None:
    with pytest.raises(InputError, match=r"gs://anonymous@no-such-bucket/x'.*not writable"):
        Storage("gs://anonymous@no-such-bucket/x").check_writable()
    assert gcs.endpoint
