"""Folders that appear whole or not at all, and what a killed writer leaves of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from raycl.errors import InputError
from raycl.storage.partial_folder import check_new, written_beside


def test_a_folder_of_the_user_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial/thesis.txt").touch()
    with pytest.raises(InputError, match="something else has this name"):
        check_new(tmp_path / "out")


def test_a_folder_that_another_command_writes_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    told: list[str] = []
    with written_beside(out, told.append) as first:
        (first / "first.txt").touch()
        with (
            pytest.raises(InputError, match="another command writes this folder now"),
            written_beside(out, told.append),
        ):
            pass
    assert [file.name for file in out.iterdir()] == ["first.txt"]
    assert not told


def test_a_link_and_a_place_in_a_file_are_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"file is a file\. Give a folder elsewhere"):
        check_new(tmp_path / "file/a/b")
    with pytest.raises(InputError, match=r"it is a link\. Give a new folder"):
        check_new(tmp_path / "link")
