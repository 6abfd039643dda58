"""`relay`, for whoever configures one: asks about a configuration, and runs nothing.

    relay check CONFIG      whether it can be used, and what is doubtful about it
    relay explain ...       what would become of an association, and why

The exit status is 0 where there is an answer, 1 for a configuration that cannot be used, and 2 for
a question that is not understood.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, ClassVar, TextIO

from twisted.python import usage

from relay.checking import doubts
from relay.config import Configuration, Mistake
from relay.config.expiry import lifetimes
from relay.config.mistakes import Unexpected, describe, nearest
from relay.config.revocations import unlisted
from relay.config.values import ae_title, ip_address, service_names
from relay.explaining import Question, explain
from relay.tap import read

VARIABLE = "RELAY_CONFIG"
USUAL = "relay.toml"
CANNOT_BE_USED = 1
NOT_UNDERSTOOD = 2


class _Options(usage.Options):
    """What all commands have in common."""

    def opt_version(self) -> None:
        """Say which version of the relay this is."""
        raise SystemExit(_write(sys.stdout, [f"dicom-relay {version('dicom-relay')}"]))


class Check(_Options):
    """Options of `relay check`."""

    synopsis = "[CONFIG]"
    longdesc = (
        "Says all mistakes in a configuration, as `twistd relay` does, or that it can be used, and "
        f"what is doubtful about it. Without CONFIG: the file that {VARIABLE} names, or {USUAL}."
    )

    def parseArgs(self, *names: str) -> None:
        """One file, or none."""
        if len(names) > 1:
            raise usage.UsageError("check takes one file")
        self.path = names[0] if names else _usual_path()

    def answer(self) -> list[str]:
        """The lines that answer."""
        configuration = read(self.path)
        found = [*doubts(configuration), *_expiring(configuration)]
        counts = _counts(configuration)
        if not found:
            return [f"{self.path} is fine: {counts}"]
        return [f"{self.path} can be used: {counts}; but look at", *map(str, found)]


class Explain(_Options):
    """Options of `relay explain`."""

    synopsis = "--calling AE [--called AE] [--from ADDRESS] [options]"
    longdesc = (
        "Says what would become of an association: which routes fit, which pool each service goes "
        "to, which AE titles an upstream is shown; or why not."
    )
    optParameters: ClassVar = [
        ["config", "c", None, f"The configuration; without: what {VARIABLE} names, or {USUAL}."],
        ["calling", None, None, "The caller's AE title."],
        ["called", None, None, "The AE title that it calls; without: the relay's own."],
        ["from", None, None, "The IP address that it comes from."],
        ["listener", None, None, "By which listener: its name, or listener[0]; without: each."],
    ]

    def opt_certificate(self, name: str) -> None:
        """A name (subject alternative name) in the certificate that it shows; may be repeated."""
        self["certificates"] = (*self.get("certificates", ()), name)

    def opt_service(self, name: str) -> None:
        """A service that it proposes, or the UID of a SOP class; may be repeated; without: all."""
        self["services"] = (*self.get("services", ()), name)

    def postOptions(self) -> None:
        """Check what can be checked without a configuration."""
        if self["calling"] is None:
            raise usage.UsageError("--calling is missing: whose association is it?")
        for title in ("calling", "called"):
            _check(f"--{title}", ae_title, self[title])
        _check("--from", ip_address, self["from"])
        _check("--service", service_names, self.get("services"))

    def answer(self) -> list[str]:
        """The lines that answer."""
        configuration = read(self["config"] or _usual_path())
        return explain(configuration, self._question(configuration))

    def _question(self, configuration: Configuration) -> Question:
        return Question(
            self["calling"],
            configuration.relay.ae_title if self["called"] is None else self["called"],
            self._listeners(configuration),
            self["from"] or "",
            self.get("certificates", ()),
            self.get("services", ()),
        )

    def _listeners(self, configuration: Configuration) -> Sequence[int]:
        listeners, wanted = configuration.listeners, self["listener"]
        if wanted is None:
            return range(len(listeners))
        names = {f"listener[{index}]": index for index in range(len(listeners))}
        names |= {each.name: index for index, each in enumerate(listeners) if each.name is not None}
        if wanted not in names:
            expected = f"one of {', '.join(names)}"
            wrong = Unexpected(describe(wanted), expected, nearest(wanted, names))
            raise _mistaken("--listener", wrong)
        return [names[wanted]]


class Options(_Options):
    """Options of `relay`."""

    synopsis = "Usage: relay"
    longdesc = "Asks about the configuration of a DICOM relay, and runs nothing."
    subCommands: ClassVar = [
        ["check", None, Check, "Can this configuration be used?"],
        ["explain", None, Explain, "What would become of an association?"],
    ]

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Read the arguments; by default those of the process."""
        arguments = sys.argv[1:] if options is None else options
        if "--_shell-completion" in arguments:
            # Twisted's own for zsh, which takes for granted who asks.
            raise usage.UsageError("there is no completion")
        super().parseOptions(arguments)  # type: ignore[no-untyped-call]

    def postOptions(self) -> None:
        """There is nothing to do without a command."""
        if self.subCommand is None:
            raise usage.UsageError("what is it to do: check or explain?")


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer what these arguments ask, by default those of the process; the exit status.

    SystemExit, with all mistakes, for a configuration that cannot be used.
    """
    options = Options()  # type: ignore[no-untyped-call]
    try:
        options.parseOptions(arguments)
        lines = options.subOptions.answer()
    except usage.UsageError as error:
        command = " ".join(filter(None, ("relay", options.subCommand)))
        _write(sys.stderr, [f"{command}: {error}", f"{command} --help says more"])
        return NOT_UNDERSTOOD
    return _write(sys.stdout, lines)


def _write(stream: TextIO, lines: Iterable[str]) -> int:
    """Write, whatever the terminal can show; 1 if nobody is there to read."""
    text = "".join(f"{line}\n" for line in lines)
    try:
        stream.write(text.encode(stream.encoding, "backslashreplace").decode(stream.encoding))
        stream.flush()
    except OSError:
        # So that Python, at its end, does not try again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return CANNOT_BE_USED
    return 0


def _expiring(configuration: Configuration) -> list[str]:
    """What there is to say of the files of TLS today."""
    now = datetime.now(UTC)
    found = [each.doubt(now) for each in lifetimes(configuration)]
    return [*(each[1] for each in found if each is not None), *_unlisted(configuration)]


def _unlisted(configuration: Configuration) -> Iterator[str]:
    """Authorities without a revocation list where there are lists: nobody gets in by these."""
    servers = ((each.tls.client_ca, each.tls.crl) for each in configuration.listeners if each.tls)
    clients = ((each.tls.ca, each.tls.crl) for each in configuration.upstreams.values() if each.tls)
    for authorities, lists in dict.fromkeys((*servers, *clients)):
        if authorities is not None and lists is not None:
            for name in unlisted(authorities, lists):
                yield (
                    f"{name} in {authorities} has no revocation list in crl: certificates that it "
                    "signed are refused"
                )


def _usual_path() -> str:
    return os.environ.get(VARIABLE) or USUAL


def _counts(configuration: Configuration) -> str:
    counted = {
        "listener": configuration.listeners,
        "upstream": configuration.upstreams,
        "pool": configuration.pools,
        "route": configuration.routes,
    }
    return ", ".join(f"{len(its)} {name}{'s' * (len(its) > 1)}" for name, its in counted.items())


def _check(option: str, validator: Callable[[Any, Any, Any], None], value: object) -> None:
    """UsageError, with the mistake, unless the value is what it would have to be in a file."""
    try:
        validator(None, None, value)
    except Unexpected as error:
        raise _mistaken(option, error) from None
    except ExceptionGroup as group:
        first = group.exceptions[0]
        assert isinstance(first, Unexpected)
        raise _mistaken(option, first) from None


def _mistaken(option: str, error: Unexpected) -> usage.UsageError:
    return usage.UsageError(Mistake(option, error.found, error.expected, error.nearest))
