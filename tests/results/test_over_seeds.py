"""What a sweep with seeds prints: means with their noise, and bold where a difference is clear."""

import io
from collections.abc import Sequence

import pandas as pd
import pytest
from rich.console import Console

from raycl.results.mean_outcomes import SPREAD, mean_outcomes
from raycl.results.outcome import RecipeOutcome, StageFact
from raycl.results.report.figures import draw_figures
from raycl.results.report.notes import notes
from raycl.results.report.over_seeds import over_seeds
from raycl.results.report.table import paper_table, print_results
from raycl.results.table import results_table
from raycl.watch.columns import shown_columns
from raycl.watch.recipe_lines import recipe_lines, setting_lines

STAGES = (StageFact("old", 0, 2, 200, ("old",)), StageFact("new", 2, 4, 200, ("new",)))


def outcome(setting: str, seed: int, old: float, new: float, share: float) -> RecipeOutcome:
    lines = pd.DataFrame(
        {
            "step": [-1, 1, 3],
            "validation/old": [6.0, 3.0 + seed, old],
            "validation/new": [6.0, 5.0, new],
        }
    )
    label = f"{setting}, seed {seed}" if seed else setting
    fields = {"new.replay": share}
    last = StageFact("new", 2, 4, 200, ("new",), replay_share=share, replayed=("old",))
    stages = (STAGES[0], last)
    made = RecipeOutcome(label, "sweep", fields, stages, lines, 100)
    return RecipeOutcome(**{**vars(made), "setting": setting, "seed": seed})


def outcomes(noise: Sequence[float]) -> list[RecipeOutcome]:
    """Two settings over three seeds: `noise` is what replay changes on old text in each."""
    made = []
    for seed, change in enumerate(noise):
        made.append(outcome("replay 0%", seed, 4.0 + 0.3 * seed, 3.0, 0.0))
        made.append(outcome("replay 5%", seed, 4.0 + 0.3 * seed + change, 3.0, 0.05))
    return made


CLEAR, NOISY = (-0.5, -0.51, -0.49), (-0.5, 0.1, -0.2)


def printed(made: Sequence[RecipeOutcome]) -> str:
    written = io.StringIO()
    console = Console(file=written, width=200, force_terminal=True, color_system="standard")
    print_results(results_table(made), console)
    return written.getvalue()


def test_a_line_a_setting_and_bold_where_it_is_clear() -> None:
    text = printed(outcomes(CLEAR))
    lines = [line for line in text.splitlines() if "replay" in line]
    assert len(lines) == 2
    assert "4.30 ± 0.30" in lines[0]
    assert "\x1b[1m3.80 ± 0.31\x1b[0m" in lines[1]
    assert "standard deviation over seeds" in text
    assert "\x1b[1m" not in "".join(printed(outcomes(NOISY)).splitlines()[1:4])


def test_one_seed_is_bold_as_before_and_says_that_it_shows_no_noise() -> None:
    made = [RecipeOutcome(**{**vars(o), "setting": ""}) for o in outcomes((-0.5,))]
    text = printed(made)
    assert "\x1b[1m3.50\x1b[0m" in text
    assert "one seed, which shows no noise" in " ".join(text.split())


def test_the_notes_say_which_settings_noise_does_not_tell_apart() -> None:
    assert [note for note in notes(outcomes(NOISY)) if "seed" in note] == [
        "Average of replay 5% against replay 0%: 0.10 below replay 0% "
        "(95 % interval −0.27 to +0.47): undecided: nine more seeds would do."
    ]
    assert not [note for note in notes(outcomes(CLEAR)) if "seed" in note]


def test_curves_are_means_with_their_deviation() -> None:
    first, second = mean_outcomes(outcomes(CLEAR))
    assert (first.label, second.label) == ("replay 0%", "replay 5%")
    assert first.history["validation/old"].tolist() == pytest.approx([6.0, 4.0, 4.3])
    assert first.history[SPREAD + "old"].tolist() == pytest.approx([0.0, 1.0, 0.3])
    loss = next(d for d in draw_figures([first, second]) if d.name == "loss-0")
    assert "Bands" in loss.caption
    assert len(loss.figure.axes[0].collections) == 2


def test_shares_of_a_setting_have_no_deviation() -> None:
    table = results_table(outcomes(CLEAR))
    shown = over_seeds(table, paper_table(table))
    assert [line.recipe for line in shown.lines] == ["replay 0%", "replay 5%"]
    assert "3.80 ± 0.31" in [cell.text for cell in shown.lines[1].cells]
    assert [cell.text for cell in shown.lines[1].cells if "%" in cell.text] in ([], ["5 %"])


@pytest.mark.parametrize(("noise", "marked"), [(CLEAR, True), (NOISY, False)])
def test_the_dashboard_marks_a_setting_where_it_is_clear(
    noise: Sequence[float], marked: bool
) -> None:
    made = outcomes(noise)
    table = results_table(made)
    shown = shown_columns(table)
    recipes = recipe_lines(table, shown, ["new.replay"], made, [])
    assert [line["label"] for line in recipes] == [outcome.label for outcome in made]
    assert not any(line["best"] for line in recipes)
    lines = setting_lines(recipes, shown)
    assert [(line["setting"], line["seeds"]) for line in lines] == [
        ("replay 0%", 3),
        ("replay 5%", 3),
    ]
    assert lines[0]["best"] == []
    assert ("average" in lines[1]["best"]) == ("loss/old" in lines[1]["best"]) == marked
    assert "loss/new" not in lines[1]["best"]
