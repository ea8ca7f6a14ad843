"""Which S3 store is meant: told by the environment, carried along, and never a secret."""

from __future__ import annotations

import json
import pickle
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import fs as arrow_fs

from raycl.cluster.connect import worker_environment
from raycl.data.prepare.file_systems import open_file_system
from raycl.errors import InputError
from raycl.storage import Storage
from raycl.storage.options import S3Options, arrow_arguments, s3_options, shared_variables

VARIABLES = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION")
SECRET = "planted-secret-1c9"
CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, S3Options()),
        ({"AWS_ENDPOINT_URL": "http://h:1"}, S3Options("http://h:1")),
        (
            {"AWS_ENDPOINT_URL": "http://h:1", "AWS_ENDPOINT_URL_S3": "https://s3.h"},
            S3Options("https://s3.h"),
        ),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, S3Options(region="eu-west-1")),
        ({"AWS_DEFAULT_REGION": "a", "AWS_REGION": "b"}, S3Options(region="b")),
        ({"AWS_REGION": "", "AWS_ENDPOINT_URL": ""}, S3Options()),
        ({"RAYCL_S3_ADDRESSING": "virtual"}, S3Options(addressing="virtual")),
    ],
)
def test_the_environment_names_the_store(variables: dict[str, str], expected: S3Options) -> None:
    assert s3_options(variables) == expected


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_ENDPOINT_URL", "127.0.0.1:8333"),
        ("AWS_ENDPOINT_URL_S3", "ftp://host"),
        ("AWS_ENDPOINT_URL", "http://"),
        ("AWS_ENDPOINT_URL", "http://host:port"),
        ("RAYCL_S3_ADDRESSING", "dns"),
    ],
)
def test_unusable_values_name_the_variable(variable: str, value: str) -> None:
    with pytest.raises(InputError) as caught:
        s3_options({variable: value})
    assert caught.value.where == f"{variable}={value!r}"


@pytest.mark.parametrize(
    ("options", "style"),
    [
        (S3Options(), "auto"),
        (S3Options("http://h"), "path"),
        (S3Options("http://h", addressing="virtual"), "virtual"),
        (S3Options(addressing="path"), "path"),
    ],
)
def test_addressing(options: S3Options, style: str) -> None:
    assert options.style == style
    assert arrow_arguments(options)["force_virtual_addressing"] == (style == "virtual")
    arrow_fs.S3FileSystem(**arrow_arguments(options), anonymous=True)


def test_pyarrow_is_told_the_same_store() -> None:
    assert arrow_arguments(S3Options("https://h:8/", "eu")) == {
        "scheme": "https",
        "endpoint_override": "h:8",
        "region": "eu",
        "force_virtual_addressing": False,
    }


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "AWS_ENDPOINT_URL",
                "AWS_ENDPOINT_URL_S3",
                "AWS_REGION",
                "AWS_DEFAULT_REGION",
            ]
        ),
        st.sampled_from(["", "http://host:9"]),
    )
)
def test_workers_find_the_drivers_store_and_get_no_secret(variables: dict[str, str]) -> None:
    secrets = dict.fromkeys(CREDENTIALS, SECRET)
    shared = shared_variables({**variables, **secrets})
    assert s3_options(shared) == s3_options(variables)
    assert SECRET not in str(shared)


def test_a_pickled_storage_holds_the_options_but_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_REGION", "eu-west-7")
    storage = Storage("s3://bucket/prefix")
    data = pickle.dumps(storage)
    assert SECRET.encode() not in data
    assert SECRET not in f"{storage!r} {vars(storage)}"
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION"):  # as on another machine
        monkeypatch.delenv(name)
    again = pickle.loads(data)
    assert again.options == S3Options("http://127.0.0.1:9", "eu-west-7")
    assert again == storage
    assert hash(again) == hash(storage)
    assert Storage("s3://bucket/prefix") != storage


@pytest.mark.parametrize("make", [Storage, open_file_system])
def test_credentials_in_a_url_are_refused_and_not_repeated(make: type[Storage]) -> None:
    with pytest.raises(InputError, match="the URL holds credentials") as caught:
        make(f"s3://key:{SECRET}@bucket/x")
    assert SECRET not in str(caught.value)


def test_credentials_in_an_endpoint_are_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://user:{SECRET}@host")
    with pytest.raises(InputError, match="the URL holds credentials") as caught:
        Storage("s3://bucket")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("url", ["s3://b?region=x", "s3://bucket?region=x", "s3://bucket/a#b"])
def test_a_storage_url_is_a_bucket_and_a_folder(url: str) -> None:
    with pytest.raises(InputError, match="AWS_ENDPOINT_URL"):
        Storage(url)


def test_gs_has_the_same_face_without_conditions() -> None:
    storage = Storage("gs://bucket/prefix")
    assert storage.full_path("a/b") == "gs://bucket/prefix/a/b"
    with pytest.raises(InputError, match="no conditional writes"):
        storage.create("lease", b"me")


def test_without_boto3_its_installation_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.setenv("AWS_REGION", "nowhere-1")  # so that no client made before is taken
    expected = r"s3://bucket/x.*boto3 is not installed. Run pip install '?boto3"
    with pytest.raises(InputError, match=expected):
        Storage("s3://bucket/x").check_writable()


def test_an_unknown_profile_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("boto3")
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(InputError, match=r"s3://bucket/x.*no-such-profile.*Check AWS_PROFILE"):
        Storage("s3://bucket/x").check_writable()


def test_workers_are_told_nothing_that_the_job_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "RAY_JOB_CONFIG_JSON_ENV_VAR"):
        monkeypatch.delenv(name, raising=False)
    assert worker_environment("auto") is None
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://host:9")
    monkeypatch.setenv("AWS_REGION", "here")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    ours = {"AWS_ENDPOINT_URL": "http://host:9", "AWS_REGION": "here", "RAY_ADDRESS": "h:1"}
    assert worker_environment("h:1") == {"env_vars": ours}
    job = {"runtime_env": {"env_vars": {"AWS_ENDPOINT_URL": "http://host:9"}}, "metadata": {}}
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps(job))
    assert worker_environment("h:1") == {"env_vars": {"AWS_REGION": "here", "RAY_ADDRESS": "h:1"}}
