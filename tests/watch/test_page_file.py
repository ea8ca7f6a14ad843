"""The page as a file: what is inside it, and that no text of a storage gets out of its place."""

from __future__ import annotations

import json
import re

import pytest

from raycl.watch.page.render import embedded, render
from tests.watch.made_snapshot import made_snapshot, made_sweep


def snapshot_in(page: bytes) -> object:
    found = re.search(rb'<script type="application/json" id="snapshot">(.*?)</script>', page)
    assert found
    return json.loads(found[1])


def test_a_snapshot_comes_out_of_the_page_as_it_went_in() -> None:
    hostile = "</script><script>alert(1)</script><!-- \u2028 __SCRIPTS__ __PLOTLY__ & \ud800"
    snapshot = made_snapshot(made_sweep("one", {"german.replay": ["1%"]}))
    snapshot["storage"] = hostile
    page = render(snapshot)
    assert snapshot_in(page.replace(rb"\ud800", b"\\ud800")) == snapshot
    assert page.count(b"</script>") == 3, "Plotly's, the snapshot's and the page's own"
    assert b"alert(1)</script>" not in page


def test_numbers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        embedded({"loss": float("nan")})


def test_the_page_names_no_other_server_and_allows_itself_none() -> None:
    page = render(None).decode()
    without_plotly = page[: page.index("<script>")] + page[page.index('<script type="app') :]
    assert re.findall(r"https?://[^\s\"'`]+", without_plotly) == []
    assert "connect-src 'self'" in page
    assert "default-src 'none'" in page
