"""A whole relay in process, on a reactor in memory: callers on one side, archives on the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from relay.config import parse
from relay.service import RelayService, relay_service
from relay.wire.pdu import AssociateAC, ReleaseRP, ReleaseRQ
from tests.logs import LogCase as LogCase
from tests.network import Network
from tests.peers import Archives, Caller, Script, associate_rq, echo

PORT = 11112
ARCHIVE_PORT = 104
NO_FOLDER = Path("/nonexistent")

CONFIGURATION = """
[relay]
ae_title = "RELAY"
{relay}
[[listener]]
endpoint = "tcp:port=11112"
{listener}
[upstream.pacs]
address = "PACS@pacs.example.org:104"
{upstream}
[pool.archive]
upstreams = ["pacs"]
[[route]]
pool = "archive"
"""


def configured(relay: str = "", listener: str = "", upstream: str = "") -> str:
    """A configuration of one listener and one upstream, with these lines added to its tables.

    Time stands still while callers come, so that any number may come in a second.
    """
    if "associations_per_second" not in relay:
        relay = f"associations_per_second = 0\n{relay}"
    return CONFIGURATION.format(relay=relay, listener=listener, upstream=upstream)


@attrs.define(eq=False)
class Bed:
    """A relay that listens, its callers, and an archive behind it."""

    configuration: str = attrs.field(factory=configured)
    folder: Path = NO_FOLDER
    network: Network = attrs.field(factory=Network)
    archive: Archives = attrs.field(factory=Archives)
    service: RelayService = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.network.listenTCP(ARCHIVE_PORT, self.archive)
        self.service = relay_service(self.network, parse(self.configuration, self.folder))
        self.service.privilegedStartService()
        self.service.startService()

    # callers

    def call(self, *said: bytes, port: int = PORT, polite: bool = True) -> Caller:
        """A caller that has connected and said this."""
        caller = Caller()
        caller.is_polite = polite
        self.network.join(caller, port)
        self.network.settle()
        return self.say(caller, *said)

    def associate(self, request: bytes | None = None, *, polite: bool = True) -> Caller:
        """A caller with an association."""
        caller = self.call(request or associate_rq(), polite=polite)
        (answer,) = caller.since()
        assert isinstance(answer, AssociateAC), answer
        return caller

    def say(self, caller: Caller, *said: bytes) -> Caller:
        """Send these, each in a read of its own."""
        for data in said:
            caller.say(data)
            self.network.settle()
        return caller

    def release(self, caller: Caller) -> None:
        """Release the association as it ought to be done."""
        self.say(caller, ReleaseRQ().encode())
        assert caller.since() == [ReleaseRP()]
        assert caller.is_closed

    # what is left

    def mend(self) -> None:
        """The archive is there, and behaves."""
        self.network.silent.clear()
        self.network.listening[ARCHIVE_PORT] = self.archive
        self.archive.script = Script()
        for association in self.archive.open:
            association.transport.resumeProducing()
        self.network.settle()

    def answers_an_echo(self) -> bool:
        """Whether a well-behaved caller is answered, and let go."""
        caller = self.say(self.associate(), echo(9))
        answered = caller.messages() == [("C_ECHO_RSP", 9, 0)]
        self.release(caller)
        return answered

    def left(self) -> list[Any]:
        """What is left of callers, once timers had their time: nothing, if all is well.

        Idle associations upstream are meant to stay until they expire; that they do is waited for.
        """
        self.network.wait(120)
        listeners = [door.listener for door in self.service.doors]
        return [
            *(each for listener in listeners for each in listener.connections),
            *(each.census for each in listeners if each.census.count),
            *(repr(each) for each in self.service.keepers.values() if repr(each) != idle(each)),
            *self.network.getDelayedCalls(),
            *self.network.ends,
        ]


def idle(keeper: Any) -> str:
    """The repr of a keeper that keeps nothing."""
    return f"<Keeper {keeper.name}: 0 opening, 0 idle, 0 leased, 0 waiting>"


class RelayCase(LogCase):
    """A test of a whole relay.

    Whatever a test did, a well-behaved caller is answered behind it, and nothing stays.
    """

    relay = listener = upstream = ""
    """Lines for the tables of the configuration."""

    def setUp(self) -> None:
        super().setUp()
        self.bed = Bed(self.configuration())
        self.network = self.bed.network
        self.archive = self.bed.archive

    def configuration(self) -> str:
        """The relay's."""
        return configured(self.relay, self.listener, self.upstream)

    def tearDown(self) -> None:
        self.bed.mend()
        self.assertTrue(self.bed.answers_an_echo())
        self.assertEqual(self.bed.left(), [])
        stopped = self.bed.service.stopService()
        self.network.wait(1)
        self.successResultOf(stopped)
