"""A worker's share of what an upstream bears: more is asked for, and given back on request.

granted    what it has; `most` is less by one while one is owed
asked      one is owed: it is given back as soon as there are fewer associations than granted.
           What is not in use goes at once, what rests is released for it.
busy       said where all are in use, or where it takes too long: somebody else is asked
due        it has been owed for a while: the next one whose user has done with it goes, though
           others wait for it here
"""

from __future__ import annotations

from typing import Protocol

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from relay.upstream.allowance import Holder

PATIENCE = 1.0
"""Seconds for which those who wait here come first. Less, and workers that share what is too little
for all of them would open and release associations for each operation."""


class Broker(Protocol):
    """Whoever grants: the first process. All of it is about one upstream."""

    def wish(self, total: int) -> None:
        """So many are wanted in all; 0: nothing is wished for."""

    def give_back(self) -> None:
        """Here is one."""

    def busy(self) -> None:
        """There is none to spare now."""


@attrs.define(eq=False)
class Share:
    """A share (relay.upstream.allowance.Allowance)."""

    clock: IReactorTime
    broker: Broker
    granted: int
    is_due: bool = False
    _holder: Holder | None = None
    _is_asked: bool = False
    _has_said_busy: bool = False
    _wanted: int = 0
    _timer: IDelayedCall | None = None
    _is_tending: bool = False

    @property
    def most(self) -> int:
        """How many there may be."""
        return max(0, self.granted - self._is_asked)

    def hold(self, holder: Holder) -> None:
        """Say whose it is."""
        self._holder = holder

    def tend(self) -> None:
        """Give back what is owed if it can be, and wish for what is lacking."""
        if self._is_tending:
            return
        self._is_tending = True
        try:
            self._settle()
            self._wish()
        finally:
            self._is_tending = False

    # from the first process

    def grant(self) -> None:
        """There may be one more."""
        self.granted += 1
        self._look_again()

    def ask(self) -> None:
        """One is to be given back."""
        if self._is_asked or self.granted == 0:
            return
        self._is_asked, self._has_said_busy = True, False
        self._timer = self.clock.callLater(PATIENCE, self._time_is_up)
        self._look_again()

    def unask(self) -> None:
        """It need not be any more."""
        if self._is_asked:
            self._owe_nothing()
            self._look_again()

    # within

    def _look_again(self) -> None:
        if self._holder is not None:
            self._holder.look_again()

    def _owe_nothing(self) -> None:
        self._is_asked = self.is_due = False
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _time_is_up(self) -> None:
        self.is_due = True
        self._say_busy()

    def _say_busy(self) -> None:
        if not self._has_said_busy:
            self._has_said_busy = True
            self.broker.busy()

    def _settle(self) -> None:
        holder = self._holder
        if not self._is_asked or holder is None:
            return
        ends = holder.held < self.granted or holder.let_go()
        if holder.held < self.granted:
            self.granted -= 1
            self._owe_nothing()
            self.broker.give_back()
        elif not ends:
            self._say_busy()

    def _wish(self) -> None:
        wanted = self._holder.wanted if self._holder is not None else 0
        if wanted <= self.granted:
            wanted = 0
        if wanted != self._wanted:
            self._wanted = wanted
            self.broker.wish(wanted)
