"""Bad inputs that take more than bytes: time, an end, an archive that is silent or gone."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from relay.wire.pdu import Abort, AssociateRJ, ReleaseRP, ReleaseRQ
from tests.bad_inputs.by_number.callers import OF_CT, STORED, TWO_PDUS, response
from tests.bad_inputs.by_number.cases import Case
from tests.bad_inputs.by_number.loopback import LOOPBACK, Loopback
from tests.bad_inputs.by_number.upstreams import FAILED
from tests.bad_inputs.case import TOO_MANY, TRY_AGAIN, UNEXPECTED
from tests.peers import (
    A_DATASET,
    ECHO,
    STORAGE_COMMITMENT,
    STORE,
    Archives,
    Message,
    associate_rq,
    command_of,
    echo,
    identity,
    last,
    said,
    store,
    store_command,
    succeed,
)
from tests.transport.tls_bed import DAY
from tests.vectors import HTTP_REQUEST, TLS_CLIENT_HELLO, p_data, pdv

ENDS = ("loseConnection", "abortConnection")
CREDENTIALS = AssociateRJ(2, 2, 1)
ECHOED = response(ECHO, 0x8030, 0)
PIECE = p_data(pdv(STORE, 0, bytes(16000)))
MANY = 400
"""Of these, for an archive that does not read: more than all buffers on the way hold."""


def end(peer: Any, how: str) -> None:
    """End a connection: with a FIN, or with a reset."""
    getattr(peer.transport, how)()


def at_rest(bed: Loopback) -> Any:
    """The archive's end of an association that was used, and that nobody leases."""
    bed.answers_an_echo()
    (archive,) = bed.archive.open
    return archive


def objects(archive: Archives) -> list[bytes]:
    """The datasets that it was sent to the end; C-ECHOs of the relay's own have none."""
    return [each.dataset for each in archive.messages if each.dataset]


def silent(message: Message) -> None:
    """No answer of an archive's."""


# transport


def connect_and_close(bed: Loopback) -> None:
    for how in ENDS:
        caller = bed.call()
        end(caller, how)
        bed.is_over(caller)


def three_bytes(bed: Loopback) -> None:
    caller = bed.call(b"\x01\0\0")
    bed.wait(29)
    assert not caller.is_closed
    bed.wait(1)
    bed.hears(caller, b"")
    assert caller.is_closed


def not_tls(said: bytes, bed: Loopback) -> None:
    """Bytes on the TLS port that are no handshake, or half of one."""
    with socket.create_connection((LOOPBACK, bed.port)) as raw:
        raw.sendall(said)
        raw.setblocking(False)
        bed.wait(30)
        with suppress(ConnectionResetError):
            while raw.recv(65536):
                pass


def cut(data: bytes, how: str, bed: Loopback) -> None:
    caller = bed.associate(None, data)
    end(caller, how)
    bed.settle(lambda: caller.is_closed and "0 leased" in repr(bed.keeper))
    assert bed.archive.messages == [], bed.archive.messages
    bed.settle(lambda: not bed.archive.open)


def aborted(bed: Loopback) -> None:
    caller = bed.associate(None, TWO_PDUS, Abort().encode())
    bed.is_over(caller)
    bed.settle(lambda: not bed.archive.open)
    assert bed.archive.heard[-1] == Abort(0, 0), bed.archive.heard


def a_byte_a_second(bed: Loopback) -> None:
    caller = bed.associate(None, p_data(pdv(STORE, 3, store_command())))
    for _ in range(21):
        if not caller.is_closed:
            caller.say(p_data(pdv(STORE, 0, b"x")))
            bed.wait(1)
    bed.hears(caller, Abort(0, 0).encode())
    assert caller.is_closed
    assert bed.archive.messages == [], bed.archive.messages


def release_collision(bed: Loopback) -> None:
    archive = at_rest(bed)
    archive.is_polite, bed.archive.script.release = False, None
    bed.wait(30)
    assert archive.heard[-1] == ReleaseRQ(), archive.heard
    archive.say(ReleaseRQ().encode())
    bed.settle(lambda: archive.heard[-1] == ReleaseRP())
    archive.say(ReleaseRP().encode())
    bed.settle(lambda: archive.is_closed)


def data_behind_a_release(bed: Loopback) -> None:
    caller = bed.associate(None, ReleaseRQ().encode() + store(b"pixels"))
    bed.hears(caller, UNEXPECTED.encode())
    bed.is_over(caller)
    assert bed.archive.messages == [], bed.archive.messages


# association


def wrong_identity(bed: Loopback) -> None:
    bed.archive.script.associate = lambda request: CREDENTIALS.encode()
    caller = bed.call(associate_rq(user_items=identity(b"user", b"wrong")))
    bed.hears(caller, CREDENTIALS.encode())
    bed.is_over(caller)


def one_too_many(bed: Loopback) -> None:
    first = bed.associate()
    caller = bed.call(associate_rq())
    bed.hears(caller, TOO_MANY.encode())
    bed.is_over(caller)
    bed.release(first)


def rejected_again_and_again(bed: Loopback) -> None:
    for _ in range(3):
        caller = bed.call(associate_rq(called=b"NOBODY"))
        bed.hears(caller, AssociateRJ(1, 1, 7).encode())
        bed.is_over(caller)


# DIMSE


def a_message_id_in_flight(bed: Loopback) -> None:
    bed.archive.script.answer = silent
    caller = bed.associate(None, store(b"pixels", 7), store(b"others", 7))
    bed.hears(caller, response(STORE, 0x8001, 0x0210, 7, **OF_CT))
    answer = succeed(bed.archive.messages[0])
    assert answer is not None
    bed.archive.open[0].say(answer)
    bed.hears(caller, response(STORE, 0x8001, 0, 7))
    bed.release(caller)


def an_answer_before_the_end(bed: Loopback) -> None:
    bed.archive.script.answer = silent
    caller = bed.associate(None, TWO_PDUS)
    bed.settle(lambda: "1 leased" in repr(bed.keeper))
    early = response(STORE, 0x8001, 0xA700)
    bed.archive.open[0].say(early)
    bed.hears(caller, early)
    bed.wait(5)
    assert "1 leased" in repr(bed.keeper), bed.keeper
    caller.say(last(STORE, b"ls"))
    bed.settle(lambda: bed.archive.messages)
    bed.hears(caller, b"")
    bed.release(caller)
    assert "1 idle, 0 leased" in repr(bed.keeper), bed.keeper


def a_report_at_rest(bed: Loopback) -> None:
    at_rest(bed)
    report = command_of(0x0100, 7, A_DATASET, e0002=STORAGE_COMMITMENT)
    archive = bed.archive.open[0]
    bed.archive.associations[0].heard.clear()
    archive.say(said(11, report, b"it was committed"))
    bed.settle(lambda: bed.archive.messages)
    (answer,) = bed.archive.messages
    assert answer.told == ("N_EVENT_REPORT_RSP", 7, 0x0110), answer.told


def fatal_to_two(bed: Loopback) -> None:
    """An object that archives hang up on: the third is spared."""
    for archive in bed.archives:
        archive.script.answer = lambda message: HTTP_REQUEST if message.dataset else None
    caller = bed.associate(None, store(b"pixels"))
    bed.hears(caller, FAILED)
    # Which of them are tried depends on who has failed before; and one may be more than once.
    tried = [len(objects(each)) for each in bed.archives]
    assert len([each for each in tried if each]) == 2, tried
    bed.release(caller)


# peers


def dies_and_comes_back(how: str, bed: Loopback) -> None:
    caller = bed.associate(None, TWO_PDUS)
    bed.settle(lambda: bed.archive.open)
    end(bed.archive.open[0], how)
    bed.settle()
    bed.hears(caller, b"")
    caller.say(last(STORE, b"!!"))
    bed.hears(caller, STORED)
    assert objects(bed.archive) == [b"pixels!!"], bed.archive.messages
    bed.release(caller)


def dies_for_good(bed: Loopback) -> None:
    caller = bed.associate(None, TWO_PDUS)
    bed.archive.script.associate = lambda request: TRY_AGAIN.encode()
    end(bed.archive.open[0], "abortConnection")
    bed.wait(1)
    caller.say(last(STORE, b"!!"))
    bed.hears(caller, FAILED)
    bed.release(caller)


def lost_before_its_answer(bed: Loopback) -> None:
    bed.archive.script.answer = silent
    caller = bed.associate(None, store(b"pixels"))
    bed.settle(lambda: bed.archive.messages)
    bed.archive.script.answer = succeed
    end(bed.archive.open[0], "abortConnection")
    bed.hears(caller, STORED)
    assert objects(bed.archive) == [b"pixels"] * 2, bed.archive.messages
    bed.release(caller)


def closed_at_rest(bed: Loopback) -> None:
    caller = bed.associate(None, echo())
    bed.hears(caller, ECHOED)
    for how in ENDS:
        end(bed.archive.open[0], how)
        caller.say(echo())
        bed.hears(caller, ECHOED)
    bed.release(caller)


def never_reads(bed: Loopback) -> None:
    caller = bed.associate(None, p_data(pdv(STORE, 3, store_command())))
    bed.settle(lambda: bed.archive.open)
    bed.archive.open[0].transport.pauseProducing()
    for _ in range(MANY):
        caller.say(PIECE)
    bed.settle()
    bed.wait(61)
    caller.say(last(STORE, b"end"))
    bed.hears(caller, STORED)
    stored = [len(each) for each in objects(bed.archive)]
    assert stored == [MANY * 16000 + 3], stored
    bed.release(caller)


def never_answers(bed: Loopback) -> None:
    bed.archive.script.answer = silent
    caller = bed.associate(None, store(b"pixels"))
    bed.wait(119)
    bed.hears(caller, b"")
    bed.wait(1)
    bed.hears(caller, FAILED)
    bed.release(caller)


def certified_in_vain(bed: Loopback) -> None:
    """An archive that is not known to be the one that was called: nothing is said to it."""
    caller = bed.associate(None, store(b"pixels"))
    bed.hears(caller, STORED)
    assert (bed.archive.heard, objects(bed.archives[1])) == ([], [b"pixels"]), bed.archives
    bed.release(caller)


CERTIFICATES: dict[str, dict[str, Any]] = {
    "of yesterday": {"starts": -2 * DAY, "ends": -DAY},
    "of tomorrow": {"starts": DAY, "ends": 2 * DAY},
    "of another host": {"name": "other.example.org"},
}

BROKEN = said(STORE, store_command(), bytes(3000))[:-1000]
RANDOM = random.Random(20260101).randbytes(300)

SCENES: tuple[tuple[int, str, Callable[[Loopback], None]], ...] = (
    (3, "connect and close", connect_and_close),
    (4, "three bytes and silence", three_bytes),
    *((12, f"{how} in a PDU", partial(cut, BROKEN, how)) for how in ENDS),
    *((55, f"{how} in a dataset", partial(cut, TWO_PDUS, how)) for how in ENDS),
    (55, "an abort in a dataset", aborted),
    (13, "a byte a second", a_byte_a_second),
    (16, "a release that is not answered", release_collision),
    (17, "data behind a release", data_behind_a_release),
    (31, "an identity that an archive refuses", wrong_identity),
    (33, "rejected again and again", rejected_again_and_again),
    (42, "a Message ID in flight", a_message_id_in_flight),
    (71, "an answer before the end", an_answer_before_the_end),
    (72, "a report at rest", a_report_at_rest),
    *((54, f"{how} of an archive", partial(dies_and_comes_back, how)) for how in ENDS),
    (54, "an archive that dies for good", dies_for_good),
    (56, "an archive lost before its answer", lost_before_its_answer),
    (57, "an archive that closes at rest", closed_at_rest),
    (58, "an archive that never reads", never_reads),
    (58, "an archive that never answers", never_answers),
)


def cases() -> Iterator[Case]:
    """All of them."""
    for row, what, act in SCENES:
        yield Case(row, what, act)
    for data in (b"", TLS_CLIENT_HELLO[:1], TLS_CLIENT_HELLO[:20], TLS_CLIENT_HELLO):
        yield Case(5, f"a handshake of {len(data)} bytes", partial(not_tls, data), tls=True)
    for data in (associate_rq(), HTTP_REQUEST, RANDOM):
        yield Case(1, f"{len(data)} bytes that are no TLS", partial(not_tls, data), tls=True)
    yield Case(32, "one too many", one_too_many, relay="max_associations = 1")
    for what, shown in CERTIFICATES.items():
        what = f"an archive's certificate {what}"
        yield Case(62, what, certified_in_vain, count=2, tls=True, shown=shown)
    yield Case(73, "an object that is fatal to two", fatal_to_two, count=3)
