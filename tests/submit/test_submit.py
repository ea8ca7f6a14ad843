"""What a job is made of: its files, its command, and nothing else."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from raycl.cli.jobs import check_reachable, sweep_command
from raycl.cli.main import app
from raycl.cluster.options import ClusterOptions
from raycl.cluster.queue_options import QueueOptions, this_user
from raycl.errors import InputError
from raycl.recipe.definition import define
from raycl.recipe.prices_file import example_file
from raycl.submit import package as job_package
from raycl.submit.client import ClusterJobs
from raycl.submit.package import LIMIT_BYTES, Package, make_package
from tests.helpers.checkpoints import write_checkpoint
from tests.helpers.paths import ROOT
from tests.helpers.recipe_data import recipe_data, write_recipe


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe, its text, and much that must stay at home."""
    folder = tmp_path / "work"
    names = """.git/objects/aa runs/x/states/s .venv/lib/p.py .env data/.secret notes.txt
        data/old/a.jsonl data/old/b.jsonl data/new.jsonl"""
    for name in names.split():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("AWS_SECRET_ACCESS_KEY=planted")
    corpora = {"old": {"text": "data/old/*.jsonl"}, "new": {"text": ["data/new.jsonl"]}}
    write_recipe(folder, recipe_data(corpora=corpora))
    monkeypatch.chdir(folder)
    return folder


def package(here: Path, recipe: str = "recipe.yaml", scale: str | None = None) -> Package:
    return make_package(define(Path(recipe)), Path(recipe), scale, here)


def of_recipe(made: Package) -> set[str]:
    return {name for name in made.files if not name.startswith("raycl/")}


def with_text(here: Path, *words: str) -> Package:
    corpora = {"old": {"text": list(words)}, "new": {"text": "data/new.jsonl"}}
    write_recipe(here, recipe_data(corpora=corpora))
    return package(here)


def test_text_travels_by_the_patterns_of_a_preparation(here: Path) -> None:
    for name in ("set[1]/x.jsonl", "set1/y.jsonl", "part-0.jsonl", "part-1.jsonl"):
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text("{}")
    made = of_recipe(with_text(here, "set[1]/*.jsonl", "part-[!0].jsonl", "**/none-*"))
    assert made == {"recipe.yaml", "data/new.jsonl", "set[1]/x.jsonl", "part-1.jsonl"}


def test_only_what_a_job_needs_travels(here: Path, tmp_path: Path) -> None:
    made = package(here)
    assert of_recipe(made) == {
        "recipe.yaml",
        "data/old/a.jsonl",
        "data/old/b.jsonl",
        "data/new.jsonl",
    }
    code = """raycl/__main__.py raycl/cli/main.py raycl/watch/page/index.html
        raycl/recipe/scales/tiny.yaml raycl/data/corpora/catalogue.yaml
        raycl/evaluation/tasks/paper-english.yaml"""
    assert set(code.split()) <= set(made.files)
    assert not [name for name in made.files if "__pycache__" in name or "/." in f"/{name}"]
    assert made.notes == ()
    assert made.size < 4 * 2**20
    made.copy_to(tmp_path / "there")
    copied = {
        p.relative_to(tmp_path / "there").as_posix()
        for p in (tmp_path / "there").rglob("*")
        if p.is_file()
    }
    assert copied == set(made.files)


def test_the_code_is_this_very_raycl_whole(here: Path) -> None:
    made = package(here)
    packages = {name.rpartition("/")[0] for name in made.files if name.endswith(".py")}
    assert {
        "raycl",
        "raycl/recipe",
        "raycl/results/report",
        "raycl/data/prepare",
        "raycl/data/corpora",
    } <= packages
    for folder in packages:
        assert f"{folder}/__init__.py" in made.files
    assert made.files["raycl/cli/main.py"] == ROOT / "raycl/cli/main.py"


def test_large_and_distant_text_stays_and_is_named(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_package, "SMALL_BYTES", 40)  # one file is 29 bytes, two are 58
    made = with_text(here, "data/old", "/shared/*.txt", "~/text", "../beside.txt", "s3://b/x.txt")
    assert of_recipe(made) == {"recipe.yaml", "data/new.jsonl"}
    notes = "\n".join(made.notes)
    for word in ("data/old is not sent", "/shared/*.txt", "~/text", "../beside.txt"):
        assert word in notes
    assert "s3://" not in notes


def test_links_and_hidden_files_stay(here: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.jsonl").write_text("secret")
    (here / "data/old/link.jsonl").symlink_to(tmp_path / "outside.jsonl")
    made = with_text(here, "data")
    assert of_recipe(made) == {
        "recipe.yaml",
        "data/old/a.jsonl",
        "data/old/b.jsonl",
        "data/new.jsonl",
    }


def test_tokenizers_models_and_scales_travel(here: Path) -> None:
    (here / "model").mkdir()
    for name in ("config.json", "model.safetensors"):
        (here / "model" / name).write_text("{}")
    data = recipe_data(model={"pretrained": "model"}, tokenizer="a/hub-name")
    write_recipe(here, {**data, "corpora": {"old": {"text": "a.txt"}, "new": {"text": "b.txt"}}})
    (here / "my-scale.yaml").write_text("{}")
    made = package(here, scale="my-scale.yaml")
    assert of_recipe(made) == {
        "recipe.yaml",
        "model/config.json",
        "model/model.safetensors",
        "my-scale.yaml",
    }
    assert made.scale == "my-scale.yaml"
    assert package(here, scale="tiny").scale == "tiny"


def test_a_model_that_is_too_large_to_travel_is_refused_before_a_job(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job would not find it where it runs."""
    monkeypatch.setattr("raycl.submit.package.SMALL_BYTES", 10)
    write_checkpoint(here / "model")
    data = recipe_data(model={"pretrained": "./model"})
    write_recipe(here, {**data, "corpora": {"old": {"text": "a.txt"}, "new": {"text": "b.txt"}}})
    with pytest.raises(InputError, match=r"not sent.*raycl models add \./model --storage URL"):
        package(here)


def test_a_recipe_from_elsewhere_lies_at_the_top(here: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    path = write_recipe(tmp_path / "elsewhere", recipe_data())
    made = package(here, str(path))
    assert made.recipe == "recipe.yaml"
    assert made.files["recipe.yaml"] == path


@pytest.mark.usefixtures("here")
def test_prices_travel_as_the_recipe_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that everybody reads has the file's name alone, and none of what it says."""
    own = tmp_path / "anna-secret" / "prices.yaml"
    own.parent.mkdir()
    shutil.copy(example_file(), own)
    seen: list[tuple[str, str]] = []

    def submit(_: ClusterJobs, entrypoint: str, folder: Path) -> tuple[str, bool]:
        seen.append((entrypoint, (folder / "prices.yaml").read_text()))
        return "job-1", True

    monkeypatch.setattr("raycl.cli.jobs.ClusterJobs.__init__", lambda *_: None)
    monkeypatch.setattr("raycl.cli.jobs.ClusterJobs.submit", submit)
    words = ["submit", "recipe.yaml", "--storage", "s3://b/x", "--no-wait"]
    done = CliRunner().invoke(app, [*words, "--prices", str(own)])
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(app, words, env={"RAYCL_PRICES": str(own)})
    assert done.exit_code == 0, done.output
    for command, text in seen:
        assert "--prices prices.yaml" in command
        assert "secret" not in command
        assert text == own.read_text()
    assert len(seen) == 2

    own.write_text("source: 1")
    with pytest.raises(InputError, match=r"prices\.yaml"):
        CliRunner().invoke(app, [*words, "--prices", str(own)], catch_exceptions=False)
    assert len(seen) == 2


def test_two_files_of_one_name_do_not_take_each_others_place(here: Path, tmp_path: Path) -> None:
    other = tmp_path / "recipe.yaml"
    shutil.copy(example_file(), other)
    with pytest.raises(InputError, match=r"take the place of .*another name"):
        make_package(define(Path("recipe.yaml")), Path("recipe.yaml"), None, here, other)


def test_more_than_ray_takes_is_refused_and_named(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_package, "LIMIT_BYTES", 3 * 2**20)
    (here / "data/new.jsonl").write_bytes(b"x" * 4 * 2**20)
    with pytest.raises(InputError, match=r"largest: data/new.jsonl 4 MiB"):
        package(here)


def test_the_limit_is_below_rays_own() -> None:
    from ray._private.ray_constants import DASHBOARD_CLIENT_MAX_SIZE
    from ray._private.runtime_env.packaging import GCS_STORAGE_MAX_SIZE

    assert min(DASHBOARD_CLIENT_MAX_SIZE, GCS_STORAGE_MAX_SIZE) >= LIMIT_BYTES


def test_the_command_survives_a_shell() -> None:
    variables = (("NCCL_NET", "$(id)"),)
    queue = QueueOptions("anna b", 2, 0.5)
    options = ClusterOptions("auto", None, 3, True, "H100", variables, queue)
    made = Package("a b.yaml", "tiny", {}, (), "my $prices.yaml")
    text = sweep_command(made, "s3://b/x", ["new.replay=$(id)", "seed=2"], options)
    assert shlex.split(text) == [
        "python",
        "-m",
        "raycl",
        "sweep",
        "a b.yaml",
        "--storage",
        "s3://b/x",
        "--address",
        "auto",
        "--scale",
        "tiny",
        "--prices",
        "my $prices.yaml",
        "--set",
        "new.replay=$(id)",
        "--set",
        "seed=2",
        "--concurrent",
        "3",
        "--gpus",
        "--accelerator",
        "H100",
        "--env",
        "NCCL_NET=$(id)",
        "--owner",
        "anna b",
        "--priority",
        "2",
        "--share",
        "0.5",
    ]
    plain = Package("r.yaml", None, {}, ())
    assert shlex.split(sweep_command(plain, "/s", [], ClusterOptions("auto")))[3:] == [
        "sweep",
        "r.yaml",
        "--storage",
        "/s",
        "--address",
        "auto",
        "--owner",
        this_user(),
    ]


@pytest.mark.parametrize("storage", ["runs/x", "./x", "~/x", "file://x"])
def test_a_storage_that_goes_with_the_job_is_refused(storage: str) -> None:
    with pytest.raises(InputError, match="goes with the job"):
        check_reachable(storage)


def test_storages_that_stay() -> None:
    for storage in ("s3://bucket/x", "gs://bucket", "/shared/x", "file:///shared/x"):
        check_reachable(storage)


def test_bad_input_is_found_before_the_cluster(here: Path) -> None:
    (here / "bad.yaml").write_text(yaml.safe_dump(recipe_data(seed="many")))
    for arguments in (["bad.yaml", "--storage", "s3://b/x"], ["recipe.yaml", "--storage", "runs"]):
        result = CliRunner().invoke(app, ["submit", *arguments, "--address", "http://127.0.0.1:1"])
        assert isinstance(result.exception, InputError)
        assert "dashboard" not in str(result.exception)
