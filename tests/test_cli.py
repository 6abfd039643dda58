"""`relay check` and `relay explain`: what they take, what they answer, and with which status."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.cli import VARIABLE, main
from tests.config import pki

ROOT = Path(__file__).resolve().parents[1]
MANUAL = (ROOT / "docs/configuration.md").read_text("utf-8")

LEAST = """
[relay]
ae_title = "RELAY"
[[listener]]
endpoint = "tcp:port=11112"
[upstream.pacs]
address = "PACS@pacs.example.org:104"
[pool.archive]
upstreams = ["pacs"]
[[route]]
pool = "archive"
"""
FINE = "relay.toml is fine: 1 listener, 1 upstream, 1 pool, 1 route\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with a configuration, which is where everything happens."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    (tmp_path / "relay.toml").write_text(LEAST, "utf-8")
    return tmp_path


@pytest.fixture
def ask(capsys):
    """Ask, and have status, what was said, and what was complained about."""

    def asked(*arguments):
        status, mistakes = 0, ""
        try:
            status = main(arguments)
        except SystemExit as ended:  # Python would write a text, and end with status 1
            if isinstance(ended.code, str):
                status, mistakes = 1, f"{ended.code}\n"
        said, complained = capsys.readouterr()
        return status, said, complained + mistakes

    return asked


def conf(name, folder):
    """A file of conf/ with all the files that it names."""
    text = (ROOT / "conf" / name).read_text("utf-8")
    pki.issue_all(text, folder)
    (folder / name).write_text(text, "utf-8")
    return name


# check


def test_a_configuration_without_mistakes_is_fine(ask):
    assert ask("check", "relay.toml") == (0, FINE, "")


def test_the_least_configuration_of_conf_is_fine(ask, folder):
    fine = "minimal.toml is fine: 1 listener, 1 upstream, 1 pool, 1 route\n"
    assert ask("check", conf("minimal.toml", folder)) == (0, fine, "")


def test_what_is_doubtful_is_told_with_status_0(ask, folder):
    status, said, complained = ask("check", conf("relay.toml", folder))
    first, *doubts = said.splitlines()
    assert (status, complained) == (0, "")
    assert first == (
        "relay.toml can be used: 2 listeners, 5 upstreams, 3 pools, 3 routes; but look at"
    )
    assert [each.partition(":")[0] for each in doubts] == ["pool.archive"]


def test_a_file_of_tls_that_expires_is_doubtful(ask, folder):
    name = conf("relay.toml", folder)
    due = pki.revocations(pki.authority(), ends=3 * pki.DAY)
    (folder / "hospital.crl").write_bytes(due)
    status, said, complained = ask("check", name)
    assert (status, complained) == (0, "")
    last = said.splitlines()[-1]
    assert last.startswith(
        f"the revocation list in {folder / 'hospital.crl'} expires in 2 days, on"
    )


def test_an_authority_without_a_revocation_list_is_doubtful_where_there_are_lists(ask, folder):
    name = conf("relay.toml", folder)
    (folder / "hospital.crl").write_bytes(pki.revocations(trustme.CA()))
    *_, last = ask("check", name)[1].splitlines()
    assert f"in {folder / 'hospital-ca.pem'} has no revocation list in crl: " in last


@pytest.mark.parametrize("name", ["minimal.toml", "relay.toml"])
def test_conf_as_it_stands_lacks_the_files_that_it_names_and_nothing_else(ask, name):
    status, said, complained = ask("check", str(ROOT / "conf" / name))
    first, *mistakes = complained.splitlines()
    assert (status, said) == (1, "")
    assert first == f"{ROOT / 'conf' / name} cannot be used:"
    assert mistakes
    assert all("cannot be read (No such file or directory)" in each for each in mistakes)


def test_mistakes_are_told_as_twistd_tells_them(ask, folder):
    (folder / "relay.toml").write_text(LEAST.replace("ae_title", "ae_titel"), "utf-8")
    status, said, complained = ask("check", "relay.toml")
    assert (status, said) == (1, "")
    assert complained.splitlines()[0] == "relay.toml cannot be used:"
    twistd = "from twisted.scripts.twistd import run; run()"
    command = [sys.executable, "-c", twistd, "--nodaemon", "--pidfile="]
    done = subprocess.run(
        [*command, "relay", "--config", "relay.toml"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.strip()) == (1, complained.strip())


def test_without_a_name_it_is_the_file_of_the_environment_or_the_usual_one(ask, monkeypatch):
    assert ask("check") == (0, FINE, "")
    monkeypatch.setenv(VARIABLE, "other.toml")
    assert ask("check")[2].startswith("other.toml cannot be used:\nother.toml: found a file that")
    assert ask("explain", "--calling", "CT1")[2].startswith("other.toml cannot be used:")


# explain


def explained(ask, *arguments):
    status, said, complained = ask("explain", *arguments)
    assert (status, complained) == (0, "")
    return said


def test_an_association_is_explained(ask):
    said = explained(ask, "--calling", "CT1", "--called", "RELAY", "--from", "10.1.2.3")
    assert (
        said
        == """\
calling      CT1
called       RELAY
from         10.1.2.3
certificate  not said (--certificate): without names
policy       none for these AE titles: all may be proposed

listener[0]  tcp:port=11112
  verification, storage, query-retrieve, storage-commitment, worklist, mpps,
      any other service
    route     route[0]
    pool      archive, least-loaded
    upstream  pacs  PACS@pacs.example.org:104  shown CT1 calling PACS
    C-MOVE    to the destination that the caller names
  routes
    route[0]  takes: verification, storage, query-retrieve, storage-commitment, worklist,
                  mpps, any other service
"""
    )


def test_options_may_be_repeated_and_the_relay_itself_is_called_unless_said_otherwise(ask):
    names = ("--certificate", "a.example.org", "--certificate", "b.example.org")
    said = explained(
        ask, "--calling", "CT1", *names, "--service", "mpps", "--service", "1.2.840.10008.1.1"
    )
    assert "called       RELAY\n" in said
    assert "certificate  a.example.org, b.example.org\n" in said
    assert "\n  mpps, 1.2.840.10008.1.1 (verification)\n" in said


@pytest.mark.parametrize(("wanted", "only"), [("ward", 1), ("listener[1]", 1), ("listener[0]", 0)])
def test_a_listener_is_asked_about_by_its_name_or_its_place(ask, folder, wanted, only):
    second = '[[listener]]\nname = "ward"\nendpoint = "tcp:port=2762"\n'
    (folder / "two.toml").write_text(LEAST + second, "utf-8")
    said = explained(ask, "--config", "two.toml", "--calling", "CT1", "--listener", wanted)
    assert re.findall(r"^listener\[(\d)\]", said, re.M) == [str(only)]


# what is not understood

AE_TITLE = "an AE title: 1 to 16 printable ASCII characters, no backslash, no space at either end"
CALLING = ("explain", "--calling", "CT1")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "relay: what is it to do: check or explain?"),
        (["chek"], "relay: Unknown command: chek"),
        (["--nothing"], "relay: option --nothing not recognized"),
        (["check", "a", "b"], "relay check: check takes one file"),
        (["explain"], "relay explain: --calling is missing: whose association is it?"),
        (["explain", "--calling"], "relay explain: option --calling requires argument"),
        ([*CALLING, "relay.toml"], "relay explain: Wrong number of arguments."),
        (
            ["explain", "--calling", "CT\\1"],
            f'relay explain: --calling: found the string "CT\\\\1", expected {AE_TITLE}',
        ),
        (
            [*CALLING, "--called", ""],
            f'relay explain: --called: found the string "", expected {AE_TITLE}',
        ),
        (
            [*CALLING, "--from", "10.1"],
            'relay explain: --from: found the string "10.1", expected an IPv4 or IPv6 address',
        ),
        (
            [*CALLING, "--listener", "listener[1]"],
            'relay explain: --listener: found the string "listener[1]", expected one of '
            "listener[0]; did you mean listener[0]?",
        ),
        (["--_shell-completion", "zsh"], "relay: there is no completion"),
        (["check", "--_shell-completion", "zsh"], "relay: there is no completion"),
    ],
)
def test_what_is_not_understood_ends_with_status_2_and_says_why(ask, arguments, why):
    command = why.partition(":")[0]
    assert ask(*arguments) == (2, "", f"{why}\n{command} --help says more\n")


def test_a_service_that_is_none_is_told_with_the_nearest(ask):
    status, said, complained = ask(*CALLING, "--service", "storag")
    assert (status, said) == (2, "")
    first = complained.splitlines()[0]
    assert first.startswith('relay explain: --service: found the string "storag", expected a UID')
    assert first.endswith("did you mean storage?")


words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
options = st.sampled_from(
    [
        *("check", "explain", "--config", "relay.toml", "--calling", "--called", "--from"),
        *("--listener", "--service", "--certificate", "CT1", "::1", "storage", "listener[0]", "--"),
    ]
)


@settings(max_examples=50)
@given(st.sampled_from(["check", "explain"]), st.lists(options | words, max_size=8))
def test_whatever_is_asked_there_is_an_answer(command, arguments):
    try:
        assert main([command, *arguments]) in (0, 2)
    except SystemExit as ended:
        assert isinstance(ended.code, str) or ended.code == 0


# the process


def process(*arguments, code="import sys; from relay.cli import main; sys.exit(main())", **more):
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **more)


def test_relay_is_a_command():
    (command,) = entry_points(group="console_scripts", name="relay")
    assert command.load() is main


def test_it_says_its_version_and_what_it_takes(ask):
    assert re.fullmatch(r"dicom-relay \d+\.\d+\.\d+\n", ask("--version")[1])
    status, said, _ = ask("explain", "--help")
    assert status == 0
    assert said.startswith("Usage: relay explain --calling AE")


def test_what_a_terminal_cannot_show_is_written_in_ascii(folder):
    (folder / "ä.toml").write_text(LEAST, "utf-8")
    done = process("check", "ä.toml", stdout=subprocess.PIPE, env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("\\xe4.toml is fine")


def test_if_nobody_can_be_told_it_ends_with_status_1():
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = process("check", stdout=full)
    assert (done.returncode, done.stderr) == (1, "")


# the manual


def test_the_manual_shows_what_is_really_said(ask, folder):
    conf("relay.toml", folder)
    behind = MANUAL.partition("\n## Asking before it happens")[2].partition("\n## ")[0]
    shown = re.findall(r"```text\n\$ relay ([^\n]*)\n(.*?)```", behind, re.S)
    assert len(shown) >= 3
    for command, output in shown:
        _, said, complained = ask(*command.split())
        assert said + complained == output
