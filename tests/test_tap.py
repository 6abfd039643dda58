"""`twistd relay`: what it takes, and how it ends when it cannot begin."""

from __future__ import annotations

import signal
import socket
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from twisted.application.service import IServiceMaker
from twisted.plugin import IPlugin, getPlugins

import relay.demo
from relay.config import Configuration
from relay.expiring import Expiring
from relay.reloading import Reloading
from relay.service import RelayService
from relay.tap import Options, makeService
from tests.config import pki
from twisted.plugins import relay_plugin

TWISTD = Path(sysconfig.get_path("scripts")) / "twistd"

GOOD = """
[relay]
ae_title = "RELAY"
[[listener]]
endpoint = "tcp:port={port}:interface=127.0.0.1"
[upstream.pacs]
address = "PACS@127.0.0.1:1"
[pool.archive]
upstreams = ["pacs"]
[[route]]
pool = "archive"
"""

BAD = """
[relay]
ae_titel = "RELAY"
[[listener]]
endpoint = "tcp:port=99999"
[upstream.pacs]
address = "PACS"
[pool.archive]
upstreams = ["pasc"]
"""

MISTAKES = [
    "relay.ae_title",
    "relay.ae_titel",
    "listener[0].endpoint",
    "upstream.pacs.address",
    "pool.archive.upstreams[0]",
    "route",
]
"""What is wrong in BAD, by path."""


@pytest.fixture
def config(tmp_path):
    """A file with this text."""

    def write(text: str, port: int = 0) -> str:
        path = tmp_path / "relay.toml"
        path.write_text(text.format(port=port))
        return str(path)

    return write


def parsed(*arguments: str) -> Options:
    options = Options()
    options.parseOptions(arguments)
    return options


# options


def test_a_configuration_is_read_at_once(config):
    options = parsed("--config", config(GOOD))
    assert isinstance(options.configuration, Configuration)


def test_all_mistakes_of_a_configuration_are_told_at_once_a_line_each(config):
    path = config(BAD)
    with pytest.raises(SystemExit) as raised:
        parsed("--config", path)
    first, *lines = str(raised.value.code).splitlines()
    assert first == f"{path} cannot be used:"
    assert sorted(line.split(": ")[0] for line in lines) == sorted(MISTAKES)


def test_a_configuration_that_cannot_be_read_is_told_so(tmp_path):
    with pytest.raises(SystemExit, match="cannot be read"):
        parsed("--config", str(tmp_path / "nothing.toml"))


@pytest.mark.parametrize("arguments", [(), ("--config", "x.toml", "--demo")], ids=["none", "both"])
def test_it_wants_a_configuration_or_the_demonstration(arguments):
    with pytest.raises(SystemExit, match="either --config FILE or --demo"):
        parsed(*arguments)


# services


def test_with_a_configuration_the_relay_is_made(config):
    made: Any = makeService(parsed("-c", config(GOOD)))
    service, reloading, expiring = made
    assert isinstance(service, RelayService)
    assert isinstance(reloading, Reloading)
    assert reloading.relay is service
    assert isinstance(expiring, Expiring)
    assert reloading.renewed == expiring.renewed
    assert [door.opening.where for door in service.doors] == ["tcp:port=0:interface=127.0.0.1"]
    assert service.ports == []


def test_a_key_that_is_gone_after_it_was_checked_is_one_line(config, tmp_path):
    pki.issue(tmp_path, "relay.pem", "relay.key")
    tls = 'tls = {{ certificate = "relay.pem", key = "relay.key" }}'
    options = parsed("-c", config(GOOD.replace("[upstream.pacs]", f"{tls}\n[upstream.pacs]")))
    (tmp_path / "relay.key").unlink()
    with pytest.raises(SystemExit, match=r"^relay: TLS: .*relay\.key cannot be read"):
        makeService(options)


def test_without_one_the_demonstration_is_made(monkeypatch):
    made: list[Any] = []
    monkeypatch.setattr(relay.demo, "demo_service", made.append)
    makeService(parsed("--demo"))
    assert len(made) == 1


def test_the_plugin_is_a_command_of_twistd():
    assert IServiceMaker.providedBy(relay_plugin.relay)
    assert IPlugin.providedBy(relay_plugin.relay)
    names = [each.tapname for each in getPlugins(IServiceMaker)]
    assert names.count("relay") == 1
    assert relay_plugin.relay.options is Options
    assert relay_plugin.relay.makeService is makeService


# twistd itself


def twistd(*arguments: str, cwd: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [TWISTD, "--nodaemon", "--pidfile=", "relay", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit status and all that was said."""
    with process:
        told, _ = process.communicate(timeout=60)
    return process.returncode, told


def test_with_mistakes_it_ends_with_status_1_and_opens_no_port(config, tmp_path):
    status, told = ended(twistd("--config", config(BAD), cwd=str(tmp_path)))
    assert status == 1
    assert len(told.splitlines()) == 1 + len(MISTAKES)
    assert "Traceback" not in told
    assert "starting" not in told


def test_with_a_port_that_is_taken_it_ends_with_status_1_and_one_line(config, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, told = ended(twistd("--config", config(GOOD, port), cwd=str(tmp_path)))
    assert status == 1
    (line,) = [line for line in told.splitlines() if "listen" in line]
    where = f"tcp:port={port}:interface=127.0.0.1"
    assert f"relay: cannot listen on {where}: [Errno 98] Address already in use" in line
    assert "Traceback" not in told


def test_without_arguments_it_says_what_it_takes(tmp_path):
    status, told = ended(twistd(cwd=str(tmp_path)))
    assert status == 1
    assert "either --config FILE or --demo" in told
    assert "Traceback" not in told


def test_it_serves_until_it_is_told_to_end(config, tmp_path):
    process = twistd("--config", config(GOOD), cwd=str(tmp_path))
    assert process.stdout is not None
    line = next(line for line in process.stdout if "starting on" in line)
    port = int(line.split()[-1])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert stranger.recv(100) == bytes.fromhex("07 00 00000004 00000000")
    line = next(line for line in process.stdout if "not an association" in line)
    assert "127.0.0.1: not an association: PDU type 47H" in line
    config(GOOD.replace("[pool.archive]", "drain = true\n[pool.archive]"))
    process.send_signal(signal.SIGHUP)
    assert "upstream pacs is being taken out" in next(
        line for line in process.stdout if "pacs" in line
    )
    process.send_signal(signal.SIGTERM)
    status, told = ended(process)
    # When all has ended, twistd passes on to itself the signal that it was sent.
    assert status == -signal.SIGTERM
    assert told.rstrip().endswith("Server Shut Down.")
    assert "Traceback" not in told
