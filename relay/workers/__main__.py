"""The process of a worker, as the first process starts it: `python -m relay.workers REACTOR`.

REACTOR is the module that installs it. The setup comes in by descriptor 0, the log leaves by 1; 3
and 4 lead to the first process (relay.workers.minding).
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from twisted.logger import Logger, globalLogBeginner

from relay.memory import settle
from relay.workers.setup import Setup
from relay.workers.telling import Writer


def main(reactor_module: str) -> None:
    """Be a worker."""
    setup = Setup.decode(sys.stdin.buffer.read())
    globalLogBeginner.beginLoggingTo([Writer(sys.stdout)])
    import_module(reactor_module).install()
    # Not before: there is the reactor that was asked for by now.
    from twisted.internet import reactor as installed

    from relay.transport.tls import Unusable
    from relay.workers.minding import SOCKETS, WORDS
    from relay.workers.worker import begin

    reactor: Any = installed
    try:
        begin(reactor, setup, WORDS, SOCKETS)
    except (OSError, Unusable) as error:
        # Most often a key that only the user can read that twistd was started as.
        its = {"event": "worker_cannot_start", "why": str(error)}
        Logger("relay.workers").error("cannot start: {why}", **its)
        raise SystemExit(1) from None
    settle()
    # The worker has handlers of its own.
    reactor.run(installSignalHandlers=False)


main(sys.argv[1])
