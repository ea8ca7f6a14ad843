"""Environment variables of network and allocator, which a cluster's owner may tell all workers."""

from __future__ import annotations

import re
from collections.abc import Iterable

from raycl.errors import InputError

PREFIXES = ("NCCL_", "TORCH_NCCL_", "GLOO_", "FI_", "UCX_", "RDMAV_")
"""Variables of NCCL, gloo, libfabric (EFA), UCX and the RDMA libraries begin so."""
NAMES = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF", "CUDA_DEVICE_MAX_CONNECTIONS")
"""Other variables that may be told."""
_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_VALUE = re.compile(r"[ -~]{0,500}")
_SECRET = re.compile(r"TOKEN|SECRET|PASSWORD|CREDENTIAL|PRIVATE|_KEY|://[^/]*@", re.IGNORECASE)


def parse_variables(words: Iterable[str], where: str = "--env") -> tuple[tuple[str, str], ...]:
    """Names and values of words such as `NCCL_SOCKET_IFNAME=eth0`, sorted by name.

    Everybody on a cluster can read them. Raises InputError, which does not repeat the value, for a
    name that is not one of network or allocator, a value that no shell would write, and secrets.
    """
    found: dict[str, str] = {}
    for word in words:
        name, separator, value = word.partition("=")
        if not separator or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise InputError(where, "not of the form NAME=VALUE", "Write NCCL_SOCKET_IFNAME=eth0")
        if _SECRET.search(word):
            raise InputError(
                f"{where} {name}",
                "it looks like a secret, and everybody on the cluster can read these variables",
                "Give secrets to the machines themselves, or to their image",
            )
        if not (name.startswith(PREFIXES) or name in NAMES):
            raise InputError(
                f"{where} {name}",
                "not a variable of the network or of the allocator",
                f"Names begin with {', '.join(PREFIXES)}, or are {', '.join(NAMES)}",
            )
        if found.setdefault(name, value) != value:
            raise InputError(f"{where} {name}", "given twice, with two values", "Give it once")
    return tuple(sorted(found.items()))
