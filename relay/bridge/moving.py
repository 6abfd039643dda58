"""C-MOVE for archives that know only the relay, and the C-STORE sub-operations that come of it.

The Move Destination is replaced by an alias, which the archive knows at the relay's address, and
which is a route's `called`: nothing else is to be done. Or it is replaced by the relay's own AE
title, and a Message ID of the relay's choice tells whose the objects are that come
(policy/moves.py).
What is changed on the way is changed back: responses, C-CANCEL and Move Originator have for
everybody the values that it knows.
"""

from __future__ import annotations

from functools import partial

import attrs

from relay.bridge.forwarding import Forwarding, Next
from relay.bridge.leg import Leg
from relay.bridge.operation import Operation
from relay.bridge.ports import Clock
from relay.policy.admission import is_ae_title
from relay.policy.moves import Move, Moves, Moving
from relay.wire.command import Status
from relay.wire.elements import (
    MESSAGE_ID,
    MOVE_DESTINATION,
    MOVE_ORIGINATOR,
    MOVE_ORIGINATOR_MESSAGE_ID,
    ae,
    text_of,
    value,
)
from relay.wire.pdu import ae_title


@attrs.define(eq=False, repr=False)
class Relocation:
    """Readdresses the C-MOVEs of one crossing, and the sub-operations that it is for."""

    forwarding: Forwarding
    moves: Moves
    clock: Clock

    def move(self, operation: Operation, moving: Moving, leg: Leg, then: Next) -> None:
        """A C-MOVE on its way to archives that are told where to move as `moving` says."""
        destination = text_of(value(operation.command_set, MOVE_DESTINATION) or b"")
        if moving.aliases is not None:
            alias = moving.aliases.get(destination)
        else:
            alias = moving.title if self._is_known(destination, moving) else None
        if alias is None:
            # Not which: what nobody answers to may be anything, and the log is no place for that.
            why = "no way to the move destination"
            self.forwarding.fail(operation, then, Status.MOVE_DESTINATION_UNKNOWN, why)
            return
        operation.readdress({MOVE_DESTINATION: ae(alias)})
        if moving.aliases is not None:
            then.go(operation)
            return
        move = self._begin(operation, destination, moving, leg)
        if move is None:
            self.forwarding.fail_for_now(operation, then, "too many moves under way")
            return
        self.moves.announce(move, partial(self._leave, operation, then))

    def _leave(self, operation: Operation, then: Next) -> None:
        """It may leave, if there is still anybody who waits for it."""
        if not self.forwarding.is_over:
            then.go(operation)

    def _is_known(self, destination: str, moving: Moving) -> bool:
        """Whether there is a way to it. What is no AE title may fit a route's pattern, but nobody
        answers to it, and it would be remembered."""
        leads_to = self.forwarding.directory.leads_to
        return is_ae_title(destination) and leads_to(destination, moving.archives)

    def _begin(
        self, operation: Operation, destination: str, moving: Moving, leg: Leg
    ) -> Move | None:
        """Give it a Message ID of its own, by which its sub-operations will be known; None where
        there is none left."""
        assert operation.message_id is not None, "a request without one is malformed"
        move = self.moves.begin(
            destination,
            self.forwarding.who.calling,
            operation.message_id,
            ae_title(leg.asked.titles.calling),
            moving.archives,
            self.clock.seconds(),
        )
        if move is not None:
            operation.sent_id, operation.ended = move.sent_id, partial(self._end, operation, move)
            operation.readdress({MESSAGE_ID: move.sent_id})
        return move

    def _end(self, operation: Operation, move: Move) -> None:
        if operation.request.is_sent:
            self.moves.end(move, self.clock.seconds(), operation.is_answered)
        else:
            self.moves.call_off(move)

    def store(self, operation: Operation, then: Next) -> None:
        """A C-STORE of an archive that has been told to move to the relay."""
        command_set = operation.command_set
        title = text_of(value(command_set, MOVE_ORIGINATOR) or b"") or None
        raw = value(command_set, MOVE_ORIGINATOR_MESSAGE_ID)
        number = int.from_bytes(raw, "little") if raw else None
        if title is None and number is None and self._has_own_way(operation):
            # Of its own accord, for all that it says: not to be taken for another's to see.
            self.forwarding.go_to(operation, then, self.forwarding.who.called)
            return
        move = self._move_of(title, number)
        if move is None:
            why = "an object of no move that is known"
            self.forwarding.fail(operation, then, Status.PROCESSING_FAILURE, why)
            return
        originator: dict[int, int | str | bytes] = {
            MOVE_ORIGINATOR: ae(move.calling),
            MOVE_ORIGINATOR_MESSAGE_ID: move.message_id,
        }
        operation.readdress(originator)
        self.forwarding.go_to(operation, then, move.destination)

    def _has_own_way(self, operation: Operation) -> bool:
        """Whether it would go somewhere if there were no moves."""
        who, abstract_syntax = self.forwarding.who, operation.context.abstract_syntax
        return self.forwarding.directory.way_to(who, who.called, abstract_syntax) is not None

    def _move_of(self, title: str | None, number: int | None) -> Move | None:
        """The move of an object that names its originator like this, None: not at all."""
        archive, now = self.forwarding.who.calling, self.clock.seconds()
        if title is None or number is None:
            return self.moves.sole(archive, now, title, number)
        return self.moves.find(archive, title, number, now)
