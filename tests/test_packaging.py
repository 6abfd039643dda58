"""What is installed is the relay and its plugin, twistd finds it, and README says how."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PLUGIN = "twisted/plugins/relay_plugin.py"
TWISTD = Path(sysconfig.get_path("scripts")) / "twistd"
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
WHERE = """
from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins
import twisted.plugins.relay_plugin as plugin
print([p.module for p in getPlugins(IServiceMaker) if p.tapname == "relay"], plugin.__file__)
"""


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """What the command prints; a failure is told with all that it said."""
    env = {**os.environ, **environment}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout, built from a copy so that no build/ is left in it."""
    copy, made = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("made")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        (copy / name).write_bytes((ROOT / name).read_bytes())
    for top in ("relay", "twisted", "tests", "benchmarks"):
        for path in (ROOT / top).rglob("*"):
            if path.is_file() and path.suffix in {".py", ".typed"}:
                target = copy / path.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
    run(sys.executable, "-c", BUILD, made, cwd=copy)
    (built,) = made.glob("*.whl")
    return built


def names_in(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_every_module_of_the_relay_and_its_plugin(wheel):
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "relay").rglob("*.py")}
    assert modules
    assert modules | {"relay/py.typed", PLUGIN} <= names_in(wheel)


def test_the_wheel_puts_nothing_but_the_plugin_into_twisted(wheel):
    assert {name for name in names_in(wheel) if name.startswith("twisted/")} == {PLUGIN}


def test_the_wheel_brings_the_command_relay(wheel):
    (name,) = [each for each in names_in(wheel) if each.endswith("entry_points.txt")]
    with zipfile.ZipFile(wheel) as archive:
        lines = archive.read(name).decode().split("\n")
    assert lines[:2] == ["[console_scripts]", "relay = relay.cli:main"]


def test_the_wheel_holds_no_tests_and_no_benchmarks(wheel):
    tops = {name.partition("/")[0] for name in names_in(wheel)}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"relay", "twisted"}


def test_twisted_finds_the_plugin_where_the_wheel_is_unpacked(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    said = run(sys.executable, "-c", WHERE, cwd=tmp_path, PYTHONPATH=str(tmp_path / "site"))
    assert said.split() == ["['relay.tap']", str(tmp_path / "site" / PLUGIN)]


def test_twistd_lists_relay_from_any_folder(tmp_path):
    commands = run(TWISTD, "--help", cwd=tmp_path).partition("Commands:")[2]
    assert "relay" in [line.split()[0] for line in commands.splitlines() if line.split()]


def test_twistd_relay_offers_a_configuration_and_a_demo(tmp_path):
    said = run(TWISTD, "relay", "--help", cwd=tmp_path)
    assert "--config" in said
    assert "--demo" in said


def test_ci_runs_what_readme_prints():
    script = (ROOT / ".ci/run").read_text("utf-8").splitlines()
    readme = [line.strip() for line in (ROOT / "README.md").read_text("utf-8").splitlines()]
    (install,) = [line for line in script if "pip install" in line]
    assert f"{install} && .venv/bin/twistd --nodaemon --pidfile= relay --demo" in readme
    assert script[-1] in readme
    assert shlex.split(script[-1]) == [".venv/bin/tox"]


def locked():
    """The versions in requirements.txt, by name, and how many hashes each has."""
    text = (ROOT / "requirements.txt").read_text().replace("\\\n", " ")
    lines = [line.split() for line in text.splitlines() if "==" in line]
    return {
        canonicalize_name(first.partition("==")[0]): (
            first.partition("==")[2],
            sum(word.startswith("--hash=sha256:") for word in rest),
        )
        for first, *rest in lines
    }


def test_what_deployments_install_is_locked_by_hashes_and_is_what_the_relay_asks_for():
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg")
    asked = [Requirement(each) for each in parser["options"]["install_requires"].split()]
    assert asked
    for each in asked:
        version, _ = locked()[canonicalize_name(each.name)]
        assert each.specifier.contains(version), each
    assert all(hashes for _, hashes in locked().values())
