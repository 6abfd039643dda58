"""The demonstration as a service: its scene, the relay in it, what is shown, and a clean end."""

from __future__ import annotations

from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectingCancelledError
from twisted.logger import Logger
from twisted.python.failure import Failure

from relay import config
from relay.demo import HOST
from relay.demo.samples import FOLDER, Samples
from relay.demo.scene import ARCHIVES, Scene
from relay.demo.sending import Sender
from relay.demo.show import Show
from relay.service import RelayService, relay_service


class DemoService(MultiService):
    """Shows the relay at work, and goes on serving."""

    log = Logger()
    scene: Scene
    relay: RelayService
    shown: Deferred[None]
    """Fires when all has been shown."""

    def __init__(self, reactor: Any, port: int, show: Show) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.reactor = reactor
        self.show = show
        self._wanted_port = port

    @property
    def port(self) -> int:
        """Where the relay listens."""
        return int(self.relay.ports[0].getHost().port)  # type: ignore[attr-defined]

    def privilegedStartService(self) -> None:
        """Open everything: the archives first, so that the relay can be told where they are.

        SystemExit where the relay cannot listen.
        """
        self.scene = Scene.set(self.reactor, self._wanted_port)
        configuration = config.load(self.scene.configuration)
        self.relay = relay_service(self.reactor, configuration)
        self.relay.setServiceParent(self)  # type: ignore[no-untyped-call]
        super().privilegedStartService()  # type: ignore[no-untyped-call]

    def startService(self) -> None:
        """Begin to show."""
        super().startService()  # type: ignore[no-untyped-call]
        self.shown = Deferred.fromCoroutine(self._demonstrate())
        self.shown.addErrback(self._not_shown)

    def stopService(self) -> Deferred[None]:
        """Close everything."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self.shown.cancel()
        # The relay first: it takes leave of the archives.
        await super().stopService()  # type: ignore[no-untyped-call]
        await self.scene.strike()

    async def _demonstrate(self) -> None:
        samples = Samples.bundled()
        self.show.opening(self.scene.folder, f"{HOST}:{self.port}", ARCHIVES)
        self.show.heading(each.name for each in samples.objects)
        endpoint = TCP4ClientEndpoint(self.reactor, HOST, self.port)
        sender = Sender(self.reactor, endpoint, self.scene.store, self.show.line)
        began = self.reactor.seconds()
        sent = await sender.send(samples.objects)
        self.show.summary(sent, samples.left_out, self.reactor.seconds() - began)
        self.show.next(self.scene.folder, HOST, self.port, FOLDER / "CT_small.dcm")

    def _not_shown(self, failure: Failure) -> None:
        if not failure.check(CancelledError, ConnectingCancelledError):
            self.log.failure("the demonstration failed", failure)
