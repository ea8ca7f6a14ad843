"""The S3 store that the environment names. No option is a secret, so all may go to other machines.

On each machine boto3 finds the credentials by itself: in the environment, in ~/.aws, or by the
instance's identity. raycl never reads them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from raycl.errors import InputError
from raycl.storage.urls import refuse_secret

_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_ADDRESSING = "RAYCL_S3_ADDRESSING"
_STYLES = ("auto", "path", "virtual")


@dataclass(frozen=True)
class S3Options:
    """Endpoint (URL with scheme; None: Amazon's), region and addressing style of a store."""

    endpoint: str | None = None
    region: str | None = None
    addressing: str = "auto"
    """`path`: endpoint/bucket; `virtual`: bucket.endpoint; `auto`: `path` with an endpoint."""

    @property
    def style(self) -> str:
        """The addressing style as boto3 names it."""
        return "path" if self.addressing == "auto" and self.endpoint else self.addressing


def s3_options(environment: Mapping[str, str] | None = None) -> S3Options:
    """The options that the environment sets. Raises InputError that names the variable."""
    variables = os.environ if environment is None else environment
    endpoint = _first(variables, _ENDPOINTS)
    addressing = variables.get(_ADDRESSING) or "auto"
    if endpoint:
        _check_endpoint(next(n for n in _ENDPOINTS if variables.get(n)), endpoint)
    if addressing not in _STYLES:
        raise InputError(
            f"{_ADDRESSING}={addressing!r}", "not an addressing style", f"Use {', '.join(_STYLES)}"
        )
    return S3Options(endpoint, _first(variables, _REGIONS), addressing)


def shared_variables(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of this machine that workers on other machines need as well.

    No secret is among them: raises InputError where an endpoint holds one.
    """
    variables = os.environ if environment is None else environment
    s3_options(variables)
    names = (*_ENDPOINTS, *_REGIONS, _ADDRESSING)
    return {name: variables[name] for name in names if variables.get(name)}


def arrow_arguments(options: S3Options) -> dict[str, Any]:
    """The same options as arguments of pyarrow's S3FileSystem, which reads raw text."""
    arguments: dict[str, Any] = {"force_virtual_addressing": options.style == "virtual"}
    if options.endpoint:
        scheme, _, host = options.endpoint.rstrip("/").partition("://")
        arguments |= {"scheme": scheme, "endpoint_override": host}
    if options.region or options.endpoint:
        arguments["region"] = options.region or "us-east-1"
    return arguments


def _first(variables: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((variables[name] for name in names if variables.get(name)), None)


def _check_endpoint(variable: str, endpoint: str) -> None:
    refuse_secret(endpoint, variable)
    try:
        parts = urlsplit(endpoint)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise InputError(
            f"{variable}={endpoint!r}",
            "not the URL of a server",
            "Give http:// or https://, a host, and a port where it is not the scheme's own",
        )
