"""How one upstream is: whether it is well, how much it bears; and what is said of that in the log.

Here what happens to associations becomes facts for policy/health.py and for room.py. Each proves
what had been doubted: one that could not be reached is back when an association with it is opened,
one that was ejected for its failures when it has performed an operation, or been opened or probed,
after its time. What still ends well of what was under way when it was ejected proves nothing.

An upstream that goes out and one that returns are a line each. What fails while it is out, or is
rejected again and again, is said at the level of debug. How often an upstream fails is for others
to choose, so there is a budget for all of it (relay.sparing), and one of its own for what matters
most: that it goes out, and comes back.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger, LogLevel

from relay.policy.health import Health, Judgement
from relay.sparing import Sparing
from relay.upstream.ends import HungUp, NotAccepted, Unreachable
from relay.upstream.room import Room

_REFUSED = 0xA700
_REFUSED_MASK = 0xFF00
"""A7xx: out of resources (PS3.4 B.2.3, C.4.1.1.4, C.4.2.1.5)."""


class Condition:
    """The condition of the upstream `name`, which bears `most` associations when all is well."""

    log = Logger()

    def __init__(
        self,
        name: str,
        clock: IReactorTime,
        judgement: Judgement,
        most: int,
        sparing: Sparing | None = None,
    ) -> None:
        self.name = name
        self.clock = clock
        self.sparing = sparing or Sparing(clock)
        self.health = Health(judgement)
        self.room = Room(most)
        self.is_reachable = True
        """Whether nothing speaks against it since an association with it was opened."""
        self.is_in_doubt = False
        """Whether it has failed once, and nothing has shown since that it is there."""
        self._said: str | None = None
        self._least_said = most
        self._is_crowded = False

    @property
    def is_out(self) -> bool:
        """Whether it went out, and has not returned."""
        return self.health.is_out

    @property
    def may_be_tried(self) -> bool:
        """Whether it is well, or it is time to see whether it is again."""
        return not self.is_out or self._now >= self.health.retry_at

    @property
    def _now(self) -> float:
        return self.clock.seconds()

    # what speaks for it

    def opened(self) -> None:
        """It accepted an association."""
        self.is_reachable, self.is_in_doubt = True, False
        self._said = None
        self._is_there()

    def proved(self) -> None:
        """It answered a probe."""
        self.is_in_doubt = False
        if self.is_out:
            self.health.returned(self._now)
            self._say_state(LogLevel.info, "back", "upstream {upstream} is back")

    def answered(self, status: int, seconds: float) -> bool:
        """It has performed an operation; whether anything is different now."""
        was_out = self.is_out
        if status & _REFUSED_MASK == _REFUSED:
            if self.health.failed(self._now):
                self._is_out_now(f"status {status:04X}H")
        else:
            self.health.answered(self._now, seconds)
            self.is_in_doubt = False
            if was_out and not self.health.is_down and self.may_be_tried:
                self.proved()
        return self.room.answered(self._now) or was_out is not self.is_out

    # what speaks against it

    def failed(self, why: str) -> None:
        """An association broke down in use."""
        self.is_reachable, self.is_in_doubt = False, True
        if self.health.failed(self._now):
            self._is_out_now(why)
        else:
            self._say(LogLevel.debug if self.is_out else LogLevel.warn, "failed", why)

    def aborted(self, why: str) -> None:
        """An association was aborted in use, and not for any fault of its own."""
        self._say(LogLevel.warn, "aborted", why)

    def stale(self, why: str) -> None:
        """An association was lost while it rested, which is nobody's fault."""
        self._say(LogLevel.debug, "stale", f"{why} while it rested")

    def not_opened(self, why: Unreachable | NotAccepted, is_probe: bool) -> None:
        """No association could be opened, be it that the upstream rejected it."""
        if isinstance(why, HungUp) and not (is_probe and self.is_out):
            self._hung_up(why, is_probe)
        elif isinstance(why, Unreachable):
            self.unreachable(str(why))
        elif is_probe and why.is_congestion and self.is_out:
            # A caller would fare no better.
            self.unreachable(str(why))
        else:
            self._rejected(why)

    def _hung_up(self, why: HungUp, is_probe: bool) -> None:
        """It is there, and it may be the caller. An A-ABORT is an answer; to close is a failure."""
        if why.is_abort:
            self._refused(str(why))
            self._is_there()
        elif is_probe:
            self.is_in_doubt = False
        else:
            self.failed(str(why))

    def unreachable(self, why: str) -> None:
        """Nobody answered."""
        self.is_reachable = False
        if self.health.unreachable(self._now):
            self._is_out_now(why)
        else:
            self._say(LogLevel.debug, "unreachable", why)

    def _rejected(self, why: NotAccepted) -> None:
        """It rejected an association: that is an answer, and no fault of its own."""
        self._refused(str(why))
        if not why.is_congestion:
            self._is_there()

    def _refused(self, text: str) -> None:
        level = LogLevel.debug if text == self._said else LogLevel.warn
        self._said, self.is_in_doubt = text, False
        self._say(level, "refused", text)

    def congested(self, why: Exception, living: int) -> None:
        """One more association than those `living` was too many."""
        self.room.congested(self._now, living)
        if isinstance(why, NotAccepted):
            # It is there, since it says so; in doubt one more would be tried, again and again.
            self.is_in_doubt = False
        most = self.room.maximum
        level = LogLevel.info if most < self._least_said else LogLevel.debug
        self._least_said = min(most, self._least_said)
        text = "upstream {upstream} bears {most} associations for now: {why}"
        self._say(level, "congested", str(why), text, most=most)

    def crowded(self, why: Unreachable) -> None:
        """Somebody could not wait for an association any longer."""
        level = LogLevel.debug if self._is_crowded else LogLevel.warn
        self._is_crowded = True
        self._say(level, "crowded", str(why))

    def not_crowded(self) -> None:
        """Nobody waits any more."""
        self._is_crowded = False

    # within

    def _is_there(self) -> None:
        if self.health.is_down or self.may_be_tried:
            self.proved()

    def _is_out_now(self, why: str) -> None:
        self._say_state(LogLevel.warn, "out", "upstream {upstream} is out: {why}", why=why)

    # in the log

    def _say(
        self, level: Any, what: str, why: str, text: str = "upstream {upstream}: {why}", **more: Any
    ) -> None:
        if self.sparing.allows(f"upstream {self.name}", level is LogLevel.debug):
            its = {"event": f"upstream_{what}", "upstream": self.name}
            self.log.emit(level, text, **its, why=why, **more)

    def _say_state(self, level: Any, what: str, text: str, **more: object) -> None:
        if self.sparing.allows(f"upstream {self.name} going out and coming back"):
            its = {"event": f"upstream_{what}", "upstream": self.name}
            self.log.emit(level, text, **its, **more)
