"""The house rules that a machine can hold: who imports whom, how long a module is, who prints."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "relay").rglob("*.py"))
LONGEST = 400

# wire <- policy <- bridge <- {downstream, upstream} <- service <- tap, with transport and config
# beside the banks: room -> the rooms of relay/ that it may import. "" is relay/__init__.py.
ROOMS = {
    "": {""},
    "wire": {"wire"},
    "policy": {"wire", "policy"},
    "bridge": {"wire", "policy", "bridge"},
    "journal": {"", "wire", "policy", "bridge", "journal"},
    "sparing": {"policy", "sparing"},
    "memory": {"memory"},
    "process": {"process"},
    "scratch": {"bridge", "scratch"},
    "transactions": {"bridge", "sparing", "transactions"},
    "config": {"", "wire", "policy", "config"},
    "credentials": {"", "wire", "policy", "config", "credentials"},
    "transport": {"", "wire", "config", "transport"},
    "downstream": {
        *("", "wire", "policy", "bridge", "journal", "config", "transport", "sparing"),
        "downstream",
    },
    "upstream": {"", "wire", "policy", "bridge", "config", "transport", "sparing", "upstream"},
}
ROOMS["logs"] = {"journal", "logs"}
ROOMS["bindings"] = {*ROOMS, "bindings"}
ROOMS["service"] = {*ROOMS, "service"}
ROOMS["workers"] = {*ROOMS, "workers"}
ROOMS["reloading"] = {*ROOMS, "reloading"}
ROOMS["expiring"] = {*ROOMS, "expiring"}
ROOMS["tap"] = {*ROOMS, "tap", "demo"}
ROOMS["demo"] = {*ROOMS, "demo"}
# Beside the service: for whoever asks about a configuration.
ROOMS["wording"] = {"wording"}
ROOMS["checking"] = {"policy", "journal", "upstream", "config", "bindings", "checking"}
ROOMS["explaining"] = {"", "wire", "policy", "config", "bindings", "wording", "explaining"}
ROOMS["cli"] = {"config", "tap", "checking", "explaining", "cli"}

# Rooms that are pure: beside the standard library they know attrs and nothing else.
PURE = {"", "wire", "policy", "bridge", "journal", "wording", "checking", "explaining"}
ATTRS = {"attr", "attrs"}
# What the serving process does without.
DEMO_ONLY = {"pydicom", "pynetdicom", "trustme"}


def dotted(path: Path) -> str:
    """The module name of a path below the root: relay/wire/pdu.py is relay.wire.pdu."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """The room that a module of relay is in: wire for relay.wire.pdu, "" for relay itself."""
    return module.partition(".")[2].partition(".")[0]


def origin(node: ast.ImportFrom, package: str) -> str:
    """The absolute name of the module that a from-import names."""
    if not node.level:
        return node.module or ""
    base = package.rsplit(".", node.level - 1)[0]
    return f"{base}.{node.module}" if node.module else base


def imports(source: str, package: str) -> Iterator[str]:
    """Absolute names of all that a module of that package imports, wherever in it the import is."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = origin(node, package)
            if module == "relay":  # from relay import wire, __version__
                yield from (f"relay.{n.name}" if n.name in ROOMS else module for n in node.names)
            else:
                yield module


def faults(source: str, room: str, package: str) -> list[str]:
    """What a module of that room imports and should not."""
    found = []
    for name in imports(source, package):
        top = name.partition(".")[0]
        if top == "relay":
            allowed = room_of(name) in ROOMS[room]
        elif room in PURE:
            allowed = top in sys.stdlib_module_names or top in ATTRS
        else:
            allowed = room == "demo" or top not in DEMO_ONLY
        if not allowed:
            found.append(name)
    return found


def prints(source: str) -> list[int]:
    """The lines that call print."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]


def each_module(function):
    return pytest.mark.parametrize("path", MODULES, ids=dotted)(function)


def test_every_room_of_the_plan_is_there_and_no_other():
    assert {room_of(dotted(path)) for path in MODULES} == set(ROOMS)


@each_module
def test_a_module_imports_only_what_its_room_may(path):
    module = dotted(path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    assert faults(path.read_text("utf-8"), room_of(module), package) == []


@each_module
def test_a_module_is_not_longer_than_anyone_reads(path):
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST


@each_module
def test_only_the_demo_prints(path):
    if room_of(dotted(path)) != "demo":
        assert prints(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("room", "line", "fault"),
    [
        ("wire", "import twisted.internet.reactor", "twisted.internet.reactor"),
        ("wire", "from ..policy import routing", "relay.policy"),
        ("wire", "from relay import policy", "relay.policy"),
        ("wire", "from relay import __version__", "relay"),
        ("policy", "from relay.bridge import ports", "relay.bridge"),
        ("bridge", "def f():\n    from twisted.python import log", "twisted.python"),
        ("scratch", "from relay.wire.reader import Buffer", "relay.wire.reader"),
        ("transactions", "from relay.upstream import bank", "relay.upstream"),
        ("config", "from relay import service", "relay.service"),
        ("transport", "from relay.bridge.ports import Sink", "relay.bridge.ports"),
        ("downstream", "from relay.upstream import pool", "relay.upstream"),
        ("upstream", "from .. import downstream", "relay.downstream"),
        ("service", "from relay.tap import Options", "relay.tap"),
        ("service", "import relay.demo.archive", "relay.demo.archive"),
        ("tap", "import pydicom", "pydicom"),
        ("checking", "from twisted.internet import reactor", "twisted.internet"),
        ("explaining", "from relay.upstream.pool import Pool", "relay.upstream.pool"),
        ("cli", "import relay.service", "relay.service"),
    ],
)
def test_an_import_against_the_direction_is_found(room, line, fault):
    assert faults(line, room, f"relay.{room}") == [fault]


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("wire", "import struct, attrs\nfrom .errors import A\nfrom relay.wire import pdu"),
        ("bridge", "from relay import wire, policy"),
        ("scratch", "from cryptography import x509\nfrom relay.bridge.ports import Overflow"),
        (
            "transactions",
            "import sqlite3, twisted.enterprise.adbapi\nfrom relay.bridge import ports",
        ),
        ("upstream", "from twisted.internet import defer\nfrom relay.transport import tls"),
        ("tap", "from relay import demo, service"),
        ("demo", "import pydicom\nfrom relay.service import make"),
    ],
)
def test_an_import_with_the_direction_is_not(room, line):
    assert faults(line, room, f"relay.{room}") == []


def test_a_print_is_found_and_a_name_like_it_is_not():
    assert prints("fingerprint(x)\nlog.print(x)\nprint(x)\n") == [3]


def test_the_serving_process_does_without_the_packages_of_the_demo():
    program = "import sys, relay.service, relay.tap; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "relay.service" in loaded
    assert loaded.isdisjoint(DEMO_ONLY | {"relay.demo"})
