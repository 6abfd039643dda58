"""What is measured: which objects, by which ways, and what is wanted of the relay."""

from __future__ import annotations

import os

from benchmarks.case import Case, Contender
from benchmarks.processes import Door
from benchmarks.result import CPU_PER_1000, CPU_PER_GB, OBJECTS_PER_S
from benchmarks.sending import Batch
from benchmarks.wanted import RELAY, Growth, Idle, Peak, Ratio, at_least, at_most
from benchmarks.ways.direct import Direct
from benchmarks.ways.haproxy import HAProxy
from benchmarks.ways.orthanc import ByOrthanc
from benchmarks.ways.pynetdicom import ByPynetdicom
from benchmarks.ways.relay import OurRelay
from benchmarks.ways.stunnel import ByStunnel

KIB, MIB = 2**10, 2**20


PLAIN = Contender("direct, plain", Direct(tls=False))
SECURE = Contender("direct, TLS", Direct())
OURS = Contender(RELAY, OurRelay())
BY_TWISTED = {"transport": "twisted"}
TWISTED = Contender("relay, Twisted's transports", OurRelay(relay=BY_TWISTED))
HAPROXY = Contender("HAProxy", HAProxy())
HAPROXY_128K = Contender("HAProxy, 128 KiB buffers", HAProxy(buffers=128 * KIB))
STUNNEL = Contender("stunnel", ByStunnel())
FORWARDING = (HAPROXY, HAPROXY_128K, STUNNEL)

FAST = (Door.TLS, Door.SECOND, Door.THIRD)
ONE_SLOW = (Door.TLS, Door.SECOND, Door.SLOW)

KEEPS_NOTHING = {"memory": 0, "disk": 0}
NO_FILE = {"disk": 0}
WINDOW = 16 * MIB
"""What the relay keeps in memory of an object, by default."""


def _pynetdicom(count: int) -> Contender:
    return Contender("pynetdicom", ByPynetdicom(), count=count)


def _orthanc(count: int) -> Contender:
    return Contender("Orthanc", ByOrthanc(), count, images=True)


ROUTES = "Orthanc answers when it has stored; it sends a study on when nothing of it came for 2 s"


def _large(maximum: int) -> Case:
    return Case(
        f"64 MiB objects, {maximum // KIB} KiB PDUs",
        Batch(8, 64 * MIB, maximum),
        (
            PLAIN,
            SECURE,
            Contender(RELAY, OurRelay(failover=NO_FILE)),
            Contender("relay, replay file", OurRelay()),
            Contender(TWISTED.name, OurRelay(relay=BY_TWISTED, failover=NO_FILE)),
            *FORWARDING,
            _pynetdicom(1),
            _orthanc(1),
        ),
        hashed=2,
        notes=(ROUTES,),
        wanted=(Ratio(CPU_PER_GB, at_most(0.9)), Peak(at_most(64), beside=WINDOW)),
    )


def _crowd(associations: int, count: int, *others: Contender) -> Case:
    one = "relay, one association"
    return Case(
        f"512 KiB objects, 16 KiB PDUs, on {associations} associations at once",
        Batch(count, 512 * KIB, 16 * KIB, associations),
        (
            SECURE,
            OURS,
            Contender(one, OurRelay(), 1000, associations=1),
            *FORWARDING,
            *others,
        ),
        hashed=max(64, associations),
        notes=("what it takes to open and to release the associations is in the CPU's figures",),
        wanted=(Ratio(CPU_PER_GB, at_most(1.0)), Ratio(CPU_PER_GB, at_most(1.3), over=one)),
        most=3,
    )


CORES_WANTED = 5
"""For a sender, an archive, the first process and two workers, one each."""

GROWTH = (
    "each process has a core of its own"
    if (os.cpu_count() or 1) >= CORES_WANTED
    else f"unmeasured: how objects/s grow with workers; it takes {CORES_WANTED} cores to show it"
)

ALONE = "on an association of its own, one after another"
IN_FULL = "direct, each has its TLS handshake in full; HAProxy resumes sessions"

CASES = {
    "64M-128K": _large(128 * KIB),
    "64M": _large(16 * KIB),
    "512K": Case(
        "512 KiB objects, 16 KiB PDUs",
        Batch(1000, 512 * KIB, 16 * KIB),
        (PLAIN, SECURE, OURS, TWISTED, *FORWARDING, _pynetdicom(100), _orthanc(100)),
        hashed=100,
        notes=(ROUTES,),
        wanted=(Ratio(CPU_PER_GB, at_most(1.0)), Ratio(OBJECTS_PER_S, at_least(0.95))),
    ),
    "8K": Case(
        "8 KiB objects, 16 KiB PDUs",
        Batch(5000, 8 * KIB, 16 * KIB),
        (PLAIN, SECURE, OURS, TWISTED, *FORWARDING, _pynetdicom(300), _orthanc(200)),
        hashed=300,
        notes=(ROUTES,),
        wanted=(
            Ratio(CPU_PER_1000, at_most(4.0)),
            Ratio(CPU_PER_1000, at_most(0.05), over="pynetdicom"),
        ),
    ),
    "32": _crowd(32, 4096, _pynetdicom(64)),
    "256": _crowd(256, 4096),
    "64M-TLS": Case(
        "64 MiB objects, 16 KiB PDUs, by TLS from the sender, too",
        Batch(8, 64 * MIB, 16 * KIB),
        (
            SECURE,
            Contender(RELAY, OurRelay(failover=NO_FILE, secure=True)),
            Contender("HAProxy", HAProxy(secure=True)),
            Contender("HAProxy, 128 KiB buffers", HAProxy(buffers=128 * KIB, secure=True)),
        ),
        hashed=2,
        wanted=(Ratio(CPU_PER_GB, at_most(1.0)),),
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
        most=3,
    ),
    "memory": Case(
        "512 KiB objects, nothing kept to be sent again: the memory of active associations",
        Batch(1000, 512 * KIB, 16 * KIB),
        tuple(
            Contender(f"relay, {number} at once", OurRelay(failover=KEEPS_NOTHING), None, number)
            for number in (1, 32, 256)
        ),
        hashed=300,
        wanted=(
            Peak(at_most(64), of="relay, 1 at once"),
            Growth(at_most(0.3), of="relay, 32 at once", over="relay, 1 at once"),
            Growth(at_most(0.3), of="relay, 256 at once", over="relay, 1 at once"),
        ),
        most=2,
    ),
    "idle": Case(
        "1,000 associations that rest; then an 8 KiB object on each",
        Batch(1000, 8 * KIB, 16 * KIB, associations=1000),
        (
            OURS,
            Contender("relay, TLS from the sender", OurRelay(secure=True)),
            HAPROXY,
            Contender("HAProxy, TLS from the sender", HAProxy(secure=True)),
            STUNNEL,
        ),
        hashed=200,
        notes=(
            "the relay holds no association with the archive for one that rests; the others do, so"
            " they have one TLS end for each, and two with TLS from the sender",
        ),
        wanted=tuple(
            Idle(at_most(60), of=of, used=used)
            for of in (RELAY, "relay, TLS from the sender")
            for used in (False, True)
        ),
        resting=True,
        most=1,
    ),
    "workers": Case(
        "512 KiB objects on 32 associations at once, two workers behind one port",
        Batch(2048, 512 * KIB, 16 * KIB, associations=32),
        (OURS, Contender("relay, 2 workers", OurRelay(relay={"workers": 2})), HAPROXY),
        hashed=64,
        notes=(GROWTH,),
        most=3,
    ),
    "slow": Case(
        "512 KiB objects on 12 associations, three doors of the archive; one of them is slow",
        Batch(600, 512 * KIB, 16 * KIB, associations=12),
        (
            Contender("relay, all fast", OurRelay(doors=FAST)),
            Contender(RELAY, OurRelay(doors=ONE_SLOW)),
            Contender("HAProxy, all fast", HAProxy(doors=FAST)),
            Contender("HAProxy", HAProxy(doors=ONE_SLOW)),
        ),
        hashed=48,
        notes=("the slow one takes 4 MB/s of each association; associations keep to their door",),
    ),
}
