"""A worker is started, started again when it ends, and stopped, by force if need be."""

from __future__ import annotations

import attrs
from twisted.internet.error import ProcessTerminated
from twisted.protocols.amp import CommandLocator
from twisted.python.failure import Failure

from relay.config import Configuration, parse
from relay.workers.minding import LONG_ENOUGH, LONGEST_PAUSE, Minder, State
from relay.workers.setup import Setup
from tests.bed import NO_FOLDER, configured
from tests.logs import LogCase
from tests.workers.processes import ProcessReactor


@attrs.define
class Overseer:
    """Whoever has the worker; what it hears, as a transcript."""

    configuration: Configuration = attrs.field(factory=lambda: parse(configured(), NO_FOLDER))
    heard: list[str] = attrs.field(factory=list)

    def setup(self, number: int) -> Setup:
        return Setup(number, self.configuration)

    def locator(self, number: int) -> CommandLocator:
        return CommandLocator()

    def lost(self, number: int) -> None:
        self.heard.append("lost")

    def gone(self, number: int) -> None:
        self.heard.append("gone")


class TestMinding(LogCase):
    def setUp(self) -> None:
        super().setUp()
        self.reactor = ProcessReactor()
        self.overseer = Overseer()
        self.minder = Minder(2, self.overseer, self.reactor, (["python", "-m", "x"], {}))
        self.minder.start()
        self.addCleanup(self.end_all)

    def end_all(self) -> None:
        self.minder.stop(1.0)
        for each in self.reactor.processes:
            if not each.is_gone:
                each.ends()

    @property
    def process(self):
        return self.reactor.processes[-1]

    def test_a_process_is_told_what_it_is(self):
        assert self.process.command == ["python", "-m", "x"]
        assert self.process.told.number == 2
        assert self.minder.state is State.STARTING

    def test_it_is_ready_once(self):
        assert self.minder.is_ready()
        assert not self.minder.is_ready()
        assert self.minder.state is State.READY

    def test_one_that_ended_is_started_again_after_a_second(self):
        self.process.ends(signal=9)
        assert self.overseer.heard == ["lost", "gone"]
        assert self.minder.state is State.GONE
        self.reactor.advance(0.9)
        assert len(self.reactor.processes) == 1
        self.reactor.advance(0.1)
        assert len(self.reactor.processes) == 2
        assert self.lines("warn") == ["worker 2 was ended by signal 9; the next one starts in 1 s"]

    def test_the_pause_doubles_while_that_goes_on_up_to_a_bound(self):
        for pause in (1, 2, 4, 8, 16, LONGEST_PAUSE, LONGEST_PAUSE):
            self.process.ends(status=1)
            self.reactor.advance(pause)
        assert len(self.reactor.processes) == 8
        assert self.lines("warn")[-1].endswith("ended with status 1; the next one starts in 30 s")

    def test_the_pause_is_short_again_for_one_that_lived_long_enough(self):
        for _ in range(3):
            self.process.ends()
            self.reactor.advance(LONGEST_PAUSE)
        self.reactor.advance(LONG_ENOUGH)
        self.process.ends()
        assert self.lines("warn")[-1] == "worker 2 ended by itself; the next one starts in 1 s"

    def test_one_that_cannot_be_started_is_tried_again(self):
        self.process.ends()
        self.reactor.fails = True
        self.reactor.advance(1.0)
        assert "could not be started (Resource temporarily unavailable)" in self.lines("warn")[-1]
        self.reactor.fails = False
        self.reactor.advance(2.0)
        assert self.minder.state is State.STARTING

    def test_what_it_says_is_told(self):
        self.process.says("out of memory\n")
        assert self.lines("warn") == ["worker 2 said: out of memory"]

    def test_one_that_does_not_talk_any_more_is_a_loss_before_it_has_ended(self):
        self.minder.is_ready()
        self.process.hangs_up()
        assert self.overseer.heard == ["lost"]

    def test_what_one_that_is_gone_has_said_last_is_not_taken_for_the_next_one_s(self):
        talk = self.process.talk
        self.process.protocol.processEnded(Failure(ProcessTerminated(1)))
        assert talk.transport.disconnecting
        self.process.is_gone = True

    def test_one_that_is_gone_is_not_killed(self):
        self.process.ends()
        self.minder.kill_in(0.5)
        self.reactor.advance(0.9)
        assert self.lines("warn") == ["worker 2 ended by itself; the next one starts in 1 s"]

    def test_a_stop_is_over_when_the_process_is_gone_and_no_other_one_is_started(self):
        stopped = self.minder.stop(20.0)
        assert self.process.signals == ["TERM"]
        self.assertNoResult(stopped)
        self.process.ends()
        assert self.successResultOf(stopped) is None
        self.reactor.advance(LONGEST_PAUSE)
        assert len(self.reactor.processes) == 1
        assert self.reactor.getDelayedCalls() == []

    def test_one_that_does_not_stop_is_killed(self):
        self.minder.stop(20.0)
        self.reactor.advance(20.0)
        assert self.process.signals == ["TERM", "KILL"]
        assert self.lines("warn") == ["worker 2 does not end, and is killed"]

    def test_a_stop_while_there_is_no_process_is_over_at_once(self):
        self.process.ends()
        self.successResultOf(self.minder.stop(20.0))
        self.reactor.advance(LONGEST_PAUSE)
        self.minder.start()
        assert len(self.reactor.processes) == 1

    def test_one_that_leaves_by_itself_is_killed_where_it_does_not_end(self):
        self.minder.leaves()
        self.minder.kill_in(5.0)
        self.minder.kill_in(1.0)
        self.reactor.advance(4.9)
        assert self.process.signals == []
        self.reactor.advance(0.1)
        assert self.process.signals == ["KILL"]
        self.process.is_gone = True
        self.minder.stop(1.0)
        assert self.process.signals == ["KILL"]
