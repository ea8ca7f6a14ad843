"""What a running sweep tells of a node, as people read it."""

from __future__ import annotations

from raycl.sweep.events import SweepEvent


def test_speed_and_memory_are_told_in_units() -> None:
    metrics = {
        "step": 1200,
        "loss": 2.51234,
        "tokens_per_second": 181234.5,
        "mfu": 0.4412,
        "peak_memory": 30.4 * 2**30,
        "data_wait_share": 0.002,
    }
    expected = (
        "german 0–2000: step 1200, loss 2.512, tokens_per_second 181,234, mfu 44.1%, "
        "peak_memory 30.4 GiB, data_wait_share 0.2%"
    )
    assert str(SweepEvent("metrics", "node", "german 0–2000", metrics)) == expected
