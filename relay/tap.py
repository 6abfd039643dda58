"""What `twistd relay` takes, and what it starts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from twisted.application.service import IService, MultiService
from twisted.logger import Logger
from twisted.python import usage

from relay.config import Configuration, ConfigurationError, Log, load


class Options(usage.Options):
    """Options of `twistd relay`."""

    synopsis = "[--config FILE | --demo]"
    longdesc = "A DICOM relay: one AE in front of many modalities and a pool of TLS archives."
    optParameters: ClassVar = [
        ["config", "c", None, "The configuration, a TOML file (docs/configuration.md)."],
    ]
    optFlags: ClassVar = [
        ["demo", None, "Show the relay at work, with archives and objects of its own."],
    ]

    configuration: Configuration | None = None
    path: Path
    """Of the configuration; absolute, because a daemon goes elsewhere."""

    def postOptions(self) -> None:
        """Read the configuration before anything else happens; SystemExit as from `read`."""
        if bool(self["config"]) == bool(self["demo"]):
            # Not a UsageError: older twistds end with status 0 after one.
            raise SystemExit(f"{self}\nrelay: give either --config FILE or --demo")
        if self["config"]:
            self.path = Path(self["config"]).absolute()
            self.configuration = read(self["config"])


def read(path: str) -> Configuration:
    """The configuration in this file; SystemExit with all mistakes, a line each, where there are
    any."""
    try:
        return load(path)
    except ConfigurationError as error:
        raise SystemExit(f"{path} cannot be used:\n{error}") from None


def makeService(options: Options) -> IService:
    """The relay as configured, or its demonstration."""
    # Not before: twistd's --reactor has been obeyed by now.
    from twisted.internet import reactor

    if options.configuration is None:
        from relay.demo import demo_service

        return demo_service(reactor)
    from relay.expiring import Expiring
    from relay.memory import settle
    from relay.reloading import Reloading
    from relay.transport.tls import Unusable

    try:
        relay = _relay(reactor, options.configuration)
    except Unusable as error:
        # Since it was checked, a moment ago.
        raise SystemExit(f"relay: TLS: {error}") from None
    read = partial(load, options.path)
    _say_whose_key(options.configuration.log)
    service = _services(options, options.configuration)
    service.addService(relay)
    expiring = Expiring(reactor, options.configuration)
    service.addService(Reloading(reactor, relay, options.configuration, read, expiring.renewed))
    service.addService(expiring)
    settle()
    return service


def _say_whose_key(log: Log) -> None:
    """Once for each start, for all processes of it."""
    if log.identities == "hashed" and log.key_file is None:
        text = "identities are hashed by a key of this start: there is no log.key_file"
        Logger("relay.tap").info(text, event="random_log_key")


def _services(options: Options, configuration: Configuration) -> MultiService:
    """For all that there is, with a log as the configuration wants it, or whoever runs twistd."""
    twistd: Mapping[str, Any] = options.parent or {}
    if twistd.get("logger"):
        return MultiService()
    from relay.logs import FORMS, Logged, observer

    return Logged(partial(observer, FORMS[configuration.log.format], twistd))


def _relay(reactor: Any, configuration: Configuration) -> Any:
    """The relay in one process, or the first of several."""
    if configuration.relay.workers:
        from relay.workers.first import first_process

        return first_process(reactor, configuration)
    from relay.service import relay_service

    return relay_service(reactor, configuration)
