"""A worker's log, told by the first process."""

from __future__ import annotations

from io import StringIO

import attrs
import pytest
from twisted.logger import LogLevel, formatEvent
from twisted.python.failure import Failure

from relay.workers.telling import LONGEST_LINE, Teller, Writer
from tests.logs import LogCase


@attrs.define
class Way:
    """From a worker's log to what the first process publishes."""

    out: StringIO = attrs.field(factory=StringIO)
    told: list = attrs.field(factory=list)
    teller: Teller = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.teller = Teller(2, self.told.append)

    def write(self, text: str, **event) -> bytes:
        event = {"log_level": LogLevel.info, "log_namespace": "relay", "log_time": 1.0, **event}
        Writer(self.out)({"log_format": text, **event})
        data = self.out.getvalue().encode()
        self.out.seek(0)
        self.out.truncate()
        return data


@pytest.fixture
def way() -> Way:
    return Way()


def test_an_event_arrives_with_its_level_and_origin_and_says_whose_it_is(way):
    way.teller.came(1, way.write("{line}", line="a crossing: {over}"))
    (event,) = way.told
    assert formatEvent(event) == "worker 2: a crossing: {over}"
    assert (event["log_level"], event["log_namespace"]) == (LogLevel.info, "relay")
    assert event["worker"] == 2
    assert event["log_time"] == 1.0


def test_events_arrive_whole_however_they_are_cut(way):
    data = way.write("one\nin two lines") + way.write("two")
    for byte in data:
        way.teller.came(1, bytes((byte,)))
    assert [formatEvent(each) for each in way.told] == [
        "worker 2: one\nin two lines",
        "worker 2: two",
    ]


def test_what_json_does_not_know_is_formatted_on_the_way_and_does_not_arrive(way):
    data = way.write("it is {what}", what=object, secret=object())
    way.teller.came(1, data)
    assert formatEvent(way.told[0]) == "worker 2: it is <class 'object'>"
    assert isinstance(way.told[0]["secret"], dict)


def test_a_failure_arrives(way):
    way.teller.came(1, way.write("it failed", log_failure=Failure(ValueError("why"))))
    assert way.told[0]["log_failure"].type.__name__ == "ValueError"


class TestWhatIsNoEvent(LogCase):
    def test_it_is_told_as_what_it_says_and_so_is_what_is_unfinished(self):
        told: list = []
        teller = Teller(2, told.append)
        teller.came(2, b"Fatal Python error\n\n[1]\nhalf")
        teller.came(1, b"{")
        teller.ended()
        assert told == []
        assert self.lines("warn") == [
            "worker 2 said: Fatal Python error",
            "worker 2 said: [1]",
            "worker 2 said: half",
            "worker 2 said: {",
        ]

    def test_a_line_without_end_is_not_kept(self):
        teller = Teller(2)
        teller.came(2, b"x" * (LONGEST_LINE + 1))
        teller.ended()
        assert len(self.lines("warn")) == 1
