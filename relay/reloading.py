"""SIGHUP: upstreams are taken out or had back, and certificates, keys and authorities renewed.

The configuration is read again, and of it only `drain` is taken over: what must not wait for a
restart. The files of TLS are those that are in use, read again for connections to come. That other
keys have changed is said, and so are mistakes; what is at work stays as it is.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Protocol

import attrs
from twisted.application.service import Service
from twisted.logger import Logger

from relay.config import Configuration, ConfigurationError
from relay.transport.tls import Unusable


class Drainable(Protocol):
    """An upstream that can be taken out, and had back."""

    is_draining: bool

    def drain(self) -> None: ...
    def resume(self) -> None: ...


class Relay(Protocol):
    """Whoever has upstreams, by name, and TLS."""

    @property
    def keepers(self) -> Mapping[str, Drainable]: ...

    def renew_tls(self) -> int: ...


class Reloading(Service):
    """Reads the configuration again, by `read`, whenever the process gets SIGHUP.

    `renewed` is called when the files of TLS were read again. `reactor` provides
    IReactorFromThreads: a signal may come in the middle of anything.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        relay: Relay,
        configuration: Configuration,
        read: Callable[[], Configuration],
        renewed: Callable[[], None] = lambda: None,
    ) -> None:
        self.reactor = reactor
        self.relay = relay
        self.configuration = configuration
        self.read = read
        self.renewed = renewed
        self._before: Any = None

    def startService(self) -> None:
        """From now on heed the signal."""
        super().startService()  # type: ignore[no-untyped-call]
        self._before = signal.signal(signal.SIGHUP, self._signalled)

    def stopService(self) -> None:
        """Leave the signal to whoever had it before."""
        super().stopService()  # type: ignore[no-untyped-call]
        signal.signal(signal.SIGHUP, self._before)

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        self.reactor.callFromThread(self.reload)

    def reload(self) -> None:
        """Read the configuration, and take over what can be."""
        try:
            found = self.read()
        except ConfigurationError as error:
            mistakes = [str(each) for each in error.mistakes]
            self.log.error(
                "the configuration cannot be used, nothing changes: {why}",
                event="configuration_refused",
                mistakes=mistakes,
                why="; ".join(mistakes),
            )
            return
        for name in found.upstreams.keys() & self.relay.keepers.keys():
            self._drain(name, found.upstreams[name].drain)
        if _but_for_drain(found) != _but_for_drain(self.configuration):
            text = "of the configuration only `drain` is taken over without a restart"
            self.log.warn(text, event="restart_needed")
        self._renew_tls()

    def _renew_tls(self) -> None:
        try:
            count = self.relay.renew_tls()
        except Unusable as error:
            self.log.error("TLS stays as it is: {why}", event="tls_kept", why=str(error))
        else:
            if count:
                self.log.info(
                    "TLS: files are read again, for new connections of {count} listeners and"
                    " upstreams",
                    event="tls_renewed",
                    count=count,
                )
                self.renewed()

    def _drain(self, name: str, wanted: bool) -> None:
        keeper = self.relay.keepers[name]
        if wanted == keeper.is_draining:
            return
        if wanted:
            keeper.drain()
            self._say("upstream {upstream} is being taken out", "upstream_draining", name)
        else:
            keeper.resume()
            self._say("upstream {upstream} is in use again", "upstream_resumed", name)

    def _say(self, text: str, event: str, upstream: str) -> None:
        self.log.info(text, event=event, upstream=upstream)


def _but_for_drain(configuration: Configuration) -> Configuration:
    its = configuration.upstreams.items()
    upstreams = {name: attrs.evolve(upstream, drain=False) for name, upstream in its}
    return attrs.evolve(configuration, upstreams=upstreams)
