"""The bytes of leases and heartbeats: compared whole, and read with care."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycl.storage.machine import this_machine
from raycl.storage.record import NewerFormatError
from raycl.sweep.lease_records import (
    Heartbeat,
    died_here,
    heartbeat_bytes,
    holder_of,
    lease_bytes,
)

NO_PROCESS = 2**22 + 1
"""Larger than any process number of Linux."""


def beat(**fields: object) -> bytes:
    facts = {"beat": 1, "machine": this_machine(), "process": NO_PROCESS}
    return json.dumps(facts | fields).encode()


def test_the_bytes_of_a_lease_are_its_holders_alone() -> None:
    assert lease_bytes("a") == lease_bytes("a") != lease_bytes("b")
    assert holder_of(lease_bytes("a"), "lease") == "a"


def test_a_lease_without_a_format_names_its_holder() -> None:
    assert holder_of(b'{"holder": "abc"}', "lease") == "abc"


@given(st.binary() | st.sampled_from([b"null", b"[]", b"{}", b'{"holder": "../x"}', b"[" * 9999]))
def test_what_is_no_lease_names_nobody(data: bytes) -> None:
    assert holder_of(data, "lease") == "unknown"


def test_a_lease_of_a_newer_raycl_is_not_taken_over() -> None:
    with pytest.raises(NewerFormatError, match="lease: a lease on a node in format 2"):
        holder_of(b'{"format": 2, "owner": "abc"}', "lease")


def test_a_process_that_is_gone_is_known_on_its_machine_alone() -> None:
    assert died_here(beat())
    assert not died_here(beat(machine="elsewhere"))
    assert not died_here(heartbeat_bytes(1))  # of this very process
    assert not died_here(beat(process=os.getpid()))


@pytest.mark.parametrize("process", [0, -1, "7", 1.5, None, 2**80])
def test_a_process_number_that_is_none_tells_nothing(process: object) -> None:
    assert not died_here(beat(process=process))


@given(st.binary())
def test_what_is_no_heartbeat_tells_nothing(data: bytes) -> None:
    assert not died_here(data)


def test_each_beat_changes_the_file() -> None:
    assert heartbeat_bytes(1) != heartbeat_bytes(2)
    assert Heartbeat.model_fields.keys() == {"beat", "machine", "process"}
