"""Requests to one S3 bucket, tried again where that may help. Needs the extra `s3` (boto3)."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from raycl.errors import InputError
from raycl.libraries import how_to_install
from raycl.storage.options import S3Options
from raycl.storage.retries import Retries
from raycl.storage.s3.errors import explained, is_transient, whole

CONNECT_SECONDS = 10
READ_SECONDS = 20
"""A request without an answer for so long counts as failed and is tried again."""
CONNECTIONS = 32

Result = TypeVar("Result")


class S3Client:
    """Requests about what is below `s3://bucket/prefix`.

    They raise InputError, FileNotFoundError or another OSError.
    """

    def __init__(self, url: str, options: S3Options, retries: Retries) -> None:
        self.url, self._options, self._retries = url, options, retries
        self.bucket, _, prefix = url.removeprefix("s3://").partition("/")
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def key(self, path: str) -> dict[str, str]:
        """The arguments that name an object."""
        return {"Bucket": self.bucket, "Key": f"{self._prefix}{path}"}

    def folder(self, path: str) -> str:
        """The prefix of all keys below a folder."""
        return f"{self._prefix}{path}/" if path else self._prefix

    def address(self, path: str) -> str:
        """An object's full URL."""
        return f"s3://{self.bucket}/{self._prefix}{path}"

    def request(
        self,
        operation: str,
        path: str,
        *needed: str,
        retries: Retries | None = None,
        **arguments: Any,
    ) -> dict[str, Any]:
        """The answer to one request about one object, with the fields `needed`."""

        def call(client: Any) -> dict[str, Any]:
            return whole(getattr(client, operation)(**self.key(path), **arguments), *needed)

        return self.run(operation, self.address(path), call, retries)

    def run(
        self,
        what: str,
        address: str,
        call: Callable[[Any], Result],
        retries: Retries | None = None,
    ) -> Result:
        """The result of `call(client)`. A refusal is raised as the error that `explain` gives."""
        try:
            return self.raw(what, address, call, retries)
        except Exception as error:
            better = self.explain(error, address)
            if better is error:
                raise
            raise better from error

    def raw(
        self,
        what: str,
        address: str,
        call: Callable[[Any], Result],
        retries: Retries | None = None,
    ) -> Result:
        """The result of `call(client)`. A refusal is raised as boto3 raises it.

        Callers use it where some refusals are answers, such as that a file does not exist.
        """
        client = self._client()
        return (retries or self._retries).run(
            f"{address}: {what}", lambda: call(client), is_transient
        )

    def _client(self) -> Any:
        where = f"storage {self.url!r}"
        try:
            return _client(self._options, _surroundings(), READ_SECONDS)
        except ImportError as error:
            remedy = f"Run {how_to_install('boto3')}"
            raise InputError(where, "boto3 is not installed", remedy) from error
        except Exception as error:  # of many classes: a missing profile, a broken file
            raise InputError(
                where, f"boto3 cannot be set up ({error})", "Check AWS_PROFILE and ~/.aws/config"
            ) from error

    def explain(self, error: Exception, address: str) -> Exception:
        """A refusal as the error that raycl raises."""
        return explained(error, self.url, address)


def _surroundings() -> tuple[tuple[str, str], ...]:
    """The environment variables that boto3 reads. Other credentials need another client."""
    return tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_")))


@lru_cache(maxsize=8)
def _client(options: S3Options, _: tuple[tuple[str, str], ...], read_seconds: float) -> Any:
    """A client, which serves every thread; to make one takes a tenth of a second."""
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=read_seconds,
        retries={"total_max_attempts": 1},  # `Retries` alone decides about further attempts
        max_pool_connections=CONNECTIONS,
        s3={"addressing_style": options.style},
        # Trailing checksums are Amazon's alone; Content-MD5 is understood everywhere.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.session.Session().client(
        "s3", endpoint_url=options.endpoint, region_name=options.region, config=config
    )
