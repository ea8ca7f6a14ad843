"""What the malformed inputs are compared with works, and there are enough of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.workspace import add_base
from tests.malformed.model_folders import malformed_models
from tests.malformed.recipes import malformed_recipes
from tests.malformed.refusal import ClusterStartedError, sweep
from tests.malformed.texts import malformed_texts
from tests.malformed.tokenizer_folders import malformed_tokenizers
from tests.malformed.yaml_texts import malformed_yaml

TABLES = (
    malformed_recipes,
    malformed_yaml,
    malformed_models,
    malformed_tokenizers,
    malformed_texts,
)


@pytest.mark.parametrize("prepare", [lambda _: None, add_base], ids=["config", "pretrained"])
def test_the_workspace_itself_gets_as_far_as_a_cluster(
    workspace: Path,
    prepare: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    prepare(workspace)
    with pytest.raises(ClusterStartedError):
        sweep(workspace, capsys)


def test_there_are_at_least_300_and_all_differ() -> None:
    for table in TABLES:
        names = [case.name for case in table()]
        assert len(set(names)) == len(names)
    assert sum(len(list(table())) for table in TABLES) >= 300
