"""Optional libraries: how to get one that is missing for what somebody asked for.

`pip install 'raycl[s3]'` would work only where raycl comes from a package index. So a remedy names
the library itself, in the versions that raycl's own metadata asks for.
"""

from __future__ import annotations

import shlex
from importlib.metadata import PackageNotFoundError, requires


def how_to_install(*libraries: str) -> str:
    """The command that installs libraries: `pip install 'boto3>=1.40'`, for "boto3".

    Without metadata, as where a job runs from its working directory, it names no versions.
    """
    wanted = [_requirement(library) for library in libraries]
    return shlex.join(["pip", "install", *wanted])


def _requirement(library: str) -> str:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    try:
        found = [Requirement(line) for line in requires("raycl") or ()]
    except PackageNotFoundError:
        found = []
    name = canonicalize_name(library)
    versions = [each.specifier for each in found if canonicalize_name(each.name) == name]
    return f"{library}{versions[0]}" if versions else library
