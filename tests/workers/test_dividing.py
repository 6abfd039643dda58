"""What each worker has for itself: all shares together are what the file says."""

from __future__ import annotations

import pytest

from relay.config import Configuration, parse
from relay.workers.dividing import divided
from tests.bed import NO_FOLDER, configured

TEXT = configured(
    relay="workers = 3",
    upstream="max_associations = 8\nmax_idle = 7\nwarm = 4\nmax_waiting = 10",
).replace("[pool.archive]", "[pool.archive]\nretries_per_second = 30.0") + (
    "[failover]\nmemory = 3000\nwindow = 2000\ndisk = 9000\n"
)


@pytest.fixture
def configuration() -> Configuration:
    return parse(TEXT, NO_FOLDER)


def test_shares_of_what_is_divided_are_the_whole(configuration):
    each = [divided(configuration, number) for number in (1, 2, 3)]
    upstreams = [its.upstreams["pacs"] for its in each]
    assert [its.max_idle for its in upstreams] == [3, 2, 2]
    assert [its.warm for its in upstreams] == [2, 1, 1]
    assert [its.max_waiting for its in upstreams] == [4, 3, 3]
    assert [its.pools["archive"].retries_per_second for its in each] == [10.0] * 3
    assert [its.failover.disk for its in each] == [3000] * 3


def test_what_is_kept_of_one_object_fits_into_the_memory_of_its_worker(configuration):
    assert divided(configuration, 1).failover.memory == 1000
    assert divided(configuration, 1).failover.window == 1000


def test_what_an_upstream_bears_is_not_divided_but_shared(configuration):
    assert divided(configuration, 3).upstreams["pacs"].max_associations == 8


def test_somebody_may_always_wait(configuration):
    text = TEXT.replace("max_waiting = 10", "max_waiting = 1")
    for number in (1, 2, 3):
        assert divided(parse(text, NO_FOLDER), number).upstreams["pacs"].max_waiting == 1
