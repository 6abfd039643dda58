"""What is measured: which objects, by which ways, and what is wanted of the relay."""

from __future__ import annotations

import attrs

from benchmarks.result import CPU_PER_1000, CPU_PER_GB, OBJECTS_PER_S
from benchmarks.sending import Batch
from benchmarks.wanted import Peak, Ratio, Wanted, at_least, at_most
from benchmarks.ways.direct import Direct
from benchmarks.ways.haproxy import HAProxy
from benchmarks.ways.pynetdicom import ByPynetdicom
from benchmarks.ways.relay import OurRelay
from benchmarks.ways.stunnel import ByStunnel
from benchmarks.ways.way import Kind

KIB, MIB = 2**10, 2**20


@attrs.frozen
class Contender:
    """Somebody who is compared. Of a case's batch it sends so many objects, on so many associations
    at once, where these are named: for some the whole batch would take for ever.
    """

    name: str
    kind: Kind
    count: int | None = None
    associations: int | None = None

    def batch(self, batch: Batch) -> Batch:
        """What it sends in each round."""
        associations = self.associations or batch.associations
        return attrs.evolve(batch, count=self.count or batch.count, associations=associations)


@attrs.frozen
class Case:
    """A batch that is sent in each round by each contender.

    `hashed`: how many of its objects are compared, byte by byte, beforehand. `wanted`: figures that
    the relay should come to. `notes`: what else there is to know of the figures. `one_way`: seconds
    that each byte takes to or from the archive. `resting`: the associations are opened and rest,
    before the batch is stored on them. `most`: rounds beyond that say nothing new.
    """

    title: str
    batch: Batch
    contenders: tuple[Contender, ...]
    hashed: int
    wanted: tuple[Wanted, ...] = ()
    notes: tuple[str, ...] = ()
    one_way: float = 0.0
    resting: bool = False
    most: int | None = None


PLAIN = Contender("direct, plain", Direct(tls=False))
SECURE = Contender("direct, TLS", Direct())
OURS = Contender("relay", OurRelay())
BY_TWISTED = {"transport": "twisted"}
TWISTED = Contender("relay, Twisted's transports", OurRelay(relay=BY_TWISTED))
HAPROXY = Contender("HAProxy", HAProxy())
HAPROXY_128K = Contender("HAProxy, 128 KiB buffers", HAProxy(buffers=128 * KIB))
STUNNEL = Contender("stunnel", ByStunnel())
FORWARDING = (HAPROXY, HAPROXY_128K, STUNNEL)

NO_FILE = {"disk": 0}
WINDOW = 16 * MIB
"""What the relay keeps in memory of an object, by default."""


def _pynetdicom(count: int) -> Contender:
    return Contender("pynetdicom", ByPynetdicom(), count=count)


def _large(maximum: int) -> Case:
    return Case(
        f"64 MiB objects, {maximum // KIB} KiB PDUs",
        Batch(8, 64 * MIB, maximum),
        (
            PLAIN,
            SECURE,
            Contender("relay", OurRelay(failover=NO_FILE)),
            Contender("relay, replay file", OurRelay()),
            Contender(TWISTED.name, OurRelay(relay=BY_TWISTED, failover=NO_FILE)),
            *FORWARDING,
            _pynetdicom(1),
        ),
        hashed=2,
        wanted=(Ratio(CPU_PER_GB, at_most(0.9)), Peak(at_most(64), beside=WINDOW)),
    )


ALONE = "on an association of its own, one after another"
IN_FULL = "direct, each has its TLS handshake in full; HAProxy resumes sessions"

CASES = {
    "64M-128K": _large(128 * KIB),
    "64M": _large(16 * KIB),
    "512K": Case(
        "512 KiB objects, 16 KiB PDUs",
        Batch(1000, 512 * KIB, 16 * KIB),
        (PLAIN, SECURE, OURS, TWISTED, *FORWARDING, _pynetdicom(100)),
        hashed=200,
        wanted=(Ratio(CPU_PER_GB, at_most(1.0)), Ratio(OBJECTS_PER_S, at_least(0.95))),
    ),
    "8K": Case(
        "8 KiB objects, 16 KiB PDUs",
        Batch(5000, 8 * KIB, 16 * KIB),
        (PLAIN, SECURE, OURS, TWISTED, *FORWARDING, _pynetdicom(300)),
        hashed=300,
        wanted=(
            Ratio(CPU_PER_1000, at_most(4.0)),
            Ratio(CPU_PER_1000, at_most(0.05), over="pynetdicom"),
        ),
    ),
    "association": Case(
        f"512 KiB objects, each {ALONE}",
        Batch(500, 512 * KIB, 16 * KIB, alone=True),
        (PLAIN, SECURE, OURS, *FORWARDING, _pynetdicom(20)),
        hashed=20,
        notes=(IN_FULL,),
        wanted=(Ratio(OBJECTS_PER_S, at_least(1.5), over=SECURE.name),),
    ),
    "association-8K": Case(
        f"8 KiB objects, each {ALONE}",
        Batch(1500, 8 * KIB, 16 * KIB, alone=True),
        (SECURE, OURS, HAPROXY),
        hashed=100,
        notes=(IN_FULL,),
        wanted=(Ratio(OBJECTS_PER_S, at_least(1.5), over=SECURE.name),),
    ),
    "association-20ms": Case(
        f"8 KiB objects, each {ALONE}, to an archive 20 ms away",
        Batch(50, 8 * KIB, 16 * KIB, alone=True),
        (SECURE, OURS, HAPROXY),
        hashed=10,
        notes=(IN_FULL, "the TCP handshake with the archive is charged as a round trip"),
        wanted=(Ratio(OBJECTS_PER_S, at_least(4.0), over=SECURE.name),),
        one_way=0.010,
    ),
}
