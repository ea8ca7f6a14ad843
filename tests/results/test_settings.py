import math

import pandas as pd
import pytest

from raycl.results.settings import clear_best, compare, ranked, settings_table, values_of
from raycl.watch.contract import Curves
from raycl.watch.node_curves import with_names


def table() -> pd.DataFrame:
    lines = [
        ("a", "sweep", "a", 0, 3.40, "finished"),
        ("b", "sweep", "b", 0, 3.50, "finished"),
        ("both", "union", "both", 0, 3.10, "finished"),
        ("a, seed 1", "sweep", "a", 1, 3.60, "finished"),
        ("b, seed 1", "sweep", "b", 1, 3.72, "finished"),
        ("both, seed 1", "union", "both", 1, math.nan, "unfinished"),
        ("a, seed 2", "sweep", "a", 2, 3.50, "finished"),
        ("b, seed 2", "sweep", "b", 2, 3.61, "finished"),
    ]
    names = ["recipe", "kind", "setting", "seed", "loss/english", "status"]
    found = pd.DataFrame(lines, columns=names)
    found["german.replay"], found["state"] = 0.05, "0-x"
    return found


def test_a_line_has_the_mean_and_what_is_known_of_its_noise() -> None:
    found = settings_table(table()).set_index("setting")
    assert list(found.index) == ["a", "b", "both"]
    a = found.loc["a"]
    assert a["loss/english"] == pytest.approx(3.50)
    assert a["sd:loss/english"] == pytest.approx(0.10)
    assert a["n:loss/english"] == 3
    # t(2) at 97.5 % is 4.303
    assert a["high:loss/english"] - 3.5 == pytest.approx(4.3027 * 0.1 / math.sqrt(3), rel=1e-4)
    assert found.loc["both", "status"] == "1 of 2 seeds finished"
    assert found.loc["both", "n:loss/english"] == 1
    assert found["sd:loss/english"].isna().tolist() == [False, False, True]
    assert found["german.replay"].tolist() == [0.05] * 3
    assert "sd:german.replay" not in found
    assert not {"recipe", "seed", "state"} & set(found)


def test_equal_seeds_are_compared_and_baselines_do_not_take_part() -> None:
    assert ranked(table(), "loss/english", -1) == ["a", "b"]
    assert ranked(table(), "loss/english", 1) == ["b", "a"]
    decision = compare(table(), "loss/english", "a", "b")
    assert decision.is_clear  # 0.10, 0.12 and 0.11, while the settings themselves vary by 0.1
    assert decision.difference.mean == pytest.approx(-0.11)
    assert compare(table(), "loss/english", "a", "both").difference.n == 1


def test_a_setting_with_fewer_seeds_comes_last() -> None:
    # The seed that c has is the easy one: in it, c is behind a.
    early = table().iloc[[0]].assign(recipe="c", setting="c", **{"loss/english": 3.45})
    assert ranked(pd.concat([early, table()]), "loss/english", -1) == ["a", "b", "c"]
    values = {"a": {0: 3.4, 1: 3.6, 2: 3.5}, "b": {0: 3.5, 1: 3.72, 2: 3.61}, "c": {0: 3.45}}
    assert clear_best(values, -1) == "a"
    # Of the seeds that both have, b is the better one, though its mean is the worse one.
    apart = {"a": {0: 3.0, 1: 3.5, 2: 3.6}, "b": {1: 3.4, 2: 3.5, 3: 4.0}}
    assert clear_best(apart, -1) is None


def test_without_seeds_each_recipe_is_a_setting() -> None:
    old = table().drop(columns=["setting", "seed"]).iloc[:2]
    assert settings_table(old)["setting"].tolist() == ["a", "b"]
    assert values_of(old, "b", "loss/english") == {0: 3.5}
    decision = compare(old, "loss/english", "a", "b")
    assert decision.text == "undecided: one seed shows no noise"


def test_curves_of_a_seed_have_the_corpora_of_the_recipe_file() -> None:
    curves: Curves = {"loss": ([1], [4.0]), "validation/old.seed1": ([1], [5.0])}
    found = with_names(curves, {"old.seed1": "old", "old": "old"})
    assert found == {"loss": ([1], [4.0]), "validation/old": ([1], [5.0])}
