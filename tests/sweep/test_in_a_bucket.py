"""What people and sweeps write for each other, in a bucket of a real S3 server."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from raycl.recipe.proposals import Proposal, add_proposal, read_proposals, record_proposal
from raycl.storage import Storage, layout
from raycl.sweep.leases import Leases
from raycl.sweep.queue_files import SILENT_SECONDS, silent
from raycl.sweep.steering.leaving import LeaveWatch
from raycl.sweep.steering.lookout import Lookout
from raycl.sweep.steering.record import write_request
from tests.helpers.s3_server import S3Server
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.s3
FIELD = "new.replay"


@pytest.fixture(scope="module")
def bucket(s3: S3Server) -> str:
    return s3.new_bucket()


@pytest.fixture
def storage(bucket: str) -> Storage:
    return Storage(f"s3://{bucket}/{uuid.uuid4().hex[:8]}")


def test_recipes_that_are_added_at_once_all_have_a_number(storage: Storage) -> None:
    with ThreadPoolExecutor(4) as pool:
        values = [f"{n}%" for n in range(8)]
        made = list(pool.map(lambda v: add_proposal(storage, "small", {FIELD: v}), values))
    found = read_proposals(storage, "small")
    assert [proposal.number for proposal in found] == list(range(8))
    assert sorted(made, key=lambda proposal: proposal.number) == list(found)


def test_of_two_that_propose_under_one_number_one_is_recorded(storage: Storage) -> None:
    first, second = (
        Proposal(number=0, fields={FIELD: value}, source="random", sweep="small")
        for value in ("5%", "6%")
    )
    assert record_proposal(storage, first)
    assert not record_proposal(storage, second)
    assert read_proposals(storage, "small") == (first,)


def test_what_is_asked_is_seen_by_the_next_look(storage: Storage) -> None:
    """The store's times are whole seconds, and these records have one length."""
    lookout = Lookout(storage)
    for action in ("pause", "retry"):
        write_request(storage, "a", action)
        lookout.look()
        assert lookout.newest is not None
        assert [request.action for request in lookout.newest.requests.values()] == [action]
    storage.remove(layout.steering("a"))
    lookout.look()
    assert lookout.newest is not None
    assert lookout.newest.requests == {}


def test_a_trial_hears_that_its_node_is_to_be_left_and_to_go_on(storage: Storage) -> None:
    with LeaveWatch(storage, "a", seconds=0.05) as watch:
        assert not watch.asked()
        write_request(storage, "a", "pause")
        wait_until(watch.asked, "it is asked to leave")
        write_request(storage, "a", "resume")
        wait_until(lambda: not watch.asked(), "it may stay")


def test_the_last_sign_of_life_has_the_time_of_the_store(storage: Storage) -> None:
    with Leases(storage) as leases:
        now = datetime.now(UTC)
        assert silent(storage, now) == {}
        later = silent(storage, now + timedelta(seconds=SILENT_SECONDS + 60))
        assert list(later) == [leases.holder]
