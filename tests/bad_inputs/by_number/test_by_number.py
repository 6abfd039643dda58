"""Bad inputs by number, on real sockets, in the clear and behind TLS.

Each is done three times. Behind each a well-behaved caller is answered at once, and what there is
of objects, descriptors and timers does not grow from the first time to the last.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import cast

import pytest
from twisted.logger import (
    ILogObserver,
    LogEvent,
    eventAsText,
    globalLogBeginner,
    globalLogPublisher,
)

from tests.bad_inputs.by_number import callers, scenes, upstreams
from tests.bad_inputs.by_number.cases import Case
from tests.bad_inputs.by_number.loopback import Left, Loopback
from tests.transport.tls_bed import Pki

TIMES = 3
LINES = 6
"""Lines of the log for one time, at most; one for each association, one for each failure."""

ALL = [*callers.cases(), *scenes.cases(), *upstreams.cases()]
CASES = [
    pytest.param(
        case, by_tls, id=f"{case.row}: {case.what}, {way}", marks=pytest.mark.row(case.row)
    )
    for case in ALL
    for by_tls, way in ((False, "plain"), (True, "TLS"))
    if case.tls in (None, by_tls)
]


ELSEWHERE = {
    34: "uses up the descriptors of a whole process: tests/bad_inputs/test_sockets.py",
    51: "takes 4 GiB: tests/bad_inputs/test_dimse.py, tests/interop",
    60: "is about objects that are kept for good",
    61: "is about objects that are kept for good",
    63: "needs a thousand sockets: tests/interop/test_floods.py",
    64: "needs a thousand associations: tests/interop/test_floods.py",
}
"""Rows that are not here, and why."""


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module", autouse=True)
def only_what_is_new() -> Iterator[None]:
    """What there was before is not looked through again, and nobody else keeps the log."""
    keeper = globalLogBeginner._temporaryObserver
    if keeper is not None:
        globalLogPublisher.removeObserver(keeper)
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
    if keeper is not None:
        globalLogPublisher.addObserver(keeper)


@pytest.fixture
def log() -> Iterator[list[LogEvent]]:
    events: list[LogEvent] = []
    observer = cast(ILogObserver, events.append)
    globalLogPublisher.addObserver(observer)
    yield events
    globalLogPublisher.removeObserver(observer)


def lines(log: list[LogEvent]) -> list[str]:
    """What was logged since the last time, above debug; a failure is never among it."""
    assert [each for each in log if "log_failure" in each] == []
    told = [eventAsText(each) for each in log if each["log_level"].name != "debug"]
    log.clear()
    return told


@pytest.mark.parametrize(("case", "by_tls"), CASES)
def test_a_bad_input_gets_its_answer_and_leaves_nothing_behind(
    pki: Pki, log: list[LogEvent], case: Case, by_tls: bool
):
    bed = Loopback(pki, by_tls, case.relay, case.count, case.shown, case.listener)
    bed.answers_an_echo()
    left: list[Left] = []
    for _ in range(TIMES):
        bed.mend()
        lines(log)
        case.act(bed)
        bed.settle()
        assert len(lines(log)) <= LINES
        bed.mend()
        bed.answers_an_echo()
        left.append(bed.left())
    assert left[-1].grown(left[0]) == []
    bed.stop()


def test_every_row_is_here_or_elsewhere_for_a_reason():
    here = {case.row for case in ALL}
    assert here.isdisjoint(ELSEWHERE)
    assert here | set(ELSEWHERE) == set(range(1, 74))
