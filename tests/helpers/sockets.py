"""Which addresses the processes of a command listen on."""

from __future__ import annotations

import contextlib
from ipaddress import IPv6Address, ip_address

import psutil


def listening(root: psutil.Process) -> set[tuple[str, str]]:
    """Name and address of every server among a process and all that it started."""
    found: set[tuple[str, str]] = set()
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                found |= {
                    (process.name(), connection.laddr.ip)
                    for connection in process.net_connections("inet")
                    if connection.status == psutil.CONN_LISTEN
                }
    return found


def is_loopback(address: str) -> bool:
    """Whether the address is reachable from this machine alone."""
    found = ip_address(address)
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return (mapped or found).is_loopback
