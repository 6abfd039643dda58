"""Endpoint descriptions, PEM files, folders, databases."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from relay.config import checks
from relay.config.mistakes import Unexpected
from relay.config.model import Outside
from tests.config import pki


@pytest.mark.parametrize(
    "text",
    [
        *("tcp:port=11112", "tcp:11112", "tcp:port=0", "tcp:port=65535:backlog=128"),
        *("tcp:port=104:interface=127.0.0.1", "tcp6:port=104", r"tcp:104:interface=\:\:1"),
        *("unix:/run/relay/dicom", "unix:address=/run/relay/dicom:mode=660"),
    ],
)
def test_an_endpoint(text):
    checks.endpoint(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "11112",
            "tcp",
            "tcp:",
            "tcp:port=dicom",
            "tcp:port=1:prt=2",
            "tcp:port=104:backlog=x",
        ),
        *("tpc:port=104", "TCP:port=104", "tcp:104\\", "tcp:104:105:106:107:108", ":", "tcp6:"),
        *("unix", "unix:", "unix:/run/relay:mode=rw"),
        *("ssl:104", "haproxy:tcp:104", "stdio:", "fd:3"),
        *("tcp:port=-1", "tcp:port=65536", "tcp6:port=111112"),
        *("systemd:domain=INET", "systemd:domain=INET:index=a"),
        *("tcp:port=\t104", "tcp:port=104\n", "unix:/run/re\x1blay"),
    ],
)
def test_what_is_no_endpoint_is_refused(text):
    with pytest.raises(Unexpected):
        checks.endpoint(text)


@pytest.mark.parametrize("which", ["index=0", "name=dicom"])
def test_a_socket_that_systemd_has_not_passed_on_is_missed(which):
    with pytest.raises(Unexpected) as raised:
        checks.endpoint(f"systemd:domain=INET:{which}")
    assert raised.value.expected == "a socket that systemd has passed on"


PASSED_ON = """
import os, socket
listening = socket.create_server(("127.0.0.1", 0))
os.dup2(listening.fileno(), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "dicom"}
from relay.config.checks import Unexpected, endpoint
endpoint("systemd:domain=INET:name=dicom")
endpoint("systemd:domain=INET:index=0")
assert socket.socket(fileno=3).getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
try:
    endpoint("systemd:domain=INTERNET:index=0")
except Unexpected as error:
    print(error.found)
"""


def test_a_socket_that_systemd_has_passed_on_is_left_as_it_is():
    command = [sys.executable, "-c", PASSED_ON]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", 'the string "systemd:domain=INTERNET:index=0"\n')


def test_checking_an_endpoint_needs_no_reactor():
    program = (
        "import sys; from relay.config.checks import endpoint; endpoint('tcp:port=104');"
        "print('twisted.internet.reactor' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stderr, done.stdout) == ("", "False\n")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    pki.issue(tmp_path, "relay.pem", "relay.key")
    pki.issue(tmp_path, "other.pem", "other.key")
    pki.authority().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    (tmp_path / "ca.crl").write_bytes(pki.revocations(pki.authority()))
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("certificate = yes")
    (tmp_path / "folder").mkdir()
    pki.encrypt(tmp_path / "relay.key", tmp_path / "encrypted.key")
    return tmp_path


GOOD = {
    Outside.CERTIFICATE: {"relay.pem", "other.pem", "ca.pem"},
    Outside.KEY: {"relay.key", "other.key"},
    Outside.AUTHORITIES: {"relay.pem", "other.pem", "ca.pem"},
    Outside.REVOCATIONS: {"ca.crl"},
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_file_is_taken_if_it_holds_what_it_should(files, kind):
    taken = set()
    for file in [*files.iterdir(), files / "missing"]:
        try:
            checks.pem(kind, file)
        except Unexpected as error:
            assert str(file) in error.found
            assert error.expected == checks.EXPECTED[kind]
        else:
            taken.add(file.name)
    assert taken == GOOD[kind]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing", "cannot be read (No such file or directory)"),
        ("folder", "cannot be read (Is a directory)"),
        ("empty", "does not load ("),
        ("encrypted.key", "does not load ("),
    ],
)
def test_it_is_said_why_a_file_is_not_taken(files, name, why):
    with pytest.raises(Unexpected) as raised:
        checks.pem(Outside.KEY, files / name)
    assert f'{name}", which {why}' in raised.value.found


def test_a_refused_key_is_not_shown(files):
    with pytest.raises(Unexpected) as raised:
        checks.pem(Outside.AUTHORITIES, files / "relay.key")
    body = (files / "relay.key").read_text().splitlines()[1]
    assert body not in f"{raised.value.found}{raised.value!r}{raised.value.__cause__!r}"


def test_files_with_secrets_are_taken_if_they_hold_them(files):
    for name, content in pki.SECRETS.items():
        (files / name).write_bytes(content)
    checks.file(Outside.USERS, files / "users")
    checks.file(Outside.PASSCODE, files / "passcode")
    checks.file(Outside.SECRET, files / "log-key")


@pytest.mark.parametrize("kind", [Outside.USERS, Outside.PASSCODE, Outside.SECRET])
def test_it_is_said_why_a_file_with_secrets_is_not_taken(files, kind):
    with pytest.raises(Unexpected) as raised:
        checks.file(kind, files / "missing")
    assert "cannot be read (No such file or directory)" in raised.value.found
    with pytest.raises(Unexpected) as raised:
        checks.file(kind, files / "empty")
    assert str(files / "empty") in raised.value.found


FILES = [
    kind for kind in Outside if kind not in {Outside.ENDPOINT, Outside.FOLDER, Outside.DATABASE}
]


@pytest.mark.parametrize("kind", FILES)
def test_what_may_never_end_is_not_read(kind):
    with pytest.raises(Unexpected) as raised:
        checks.file(kind, Path(os.devnull))
    assert raised.value.found == f'"{os.devnull}", which cannot be read (not a file on disk)'


def test_a_secret_that_can_be_guessed_is_not_taken_and_not_shown(files):
    (files / "log-key").write_bytes(b"  fifteen bytes..\n ")
    with pytest.raises(Unexpected) as raised:
        checks.file(Outside.SECRET, files / "log-key")
    assert raised.value.found.endswith('log-key": 15 bytes')
    assert "fifteen" not in f"{raised.value}"


def test_a_refused_line_of_users_is_not_shown(files):
    with pytest.raises(Unexpected) as raised:
        checks.file(Outside.USERS, files / "text")
    assert "certificate" not in f"{raised.value}"


def test_a_folder_is_taken_if_temporary_files_can_be_made_there_and_none_is_left(files):
    before = sorted(files.iterdir())
    checks.folder(files)
    assert sorted(files.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "why"), [("missing", "No such file or directory"), ("text", "Not a directory")]
)
def test_it_is_said_why_a_folder_is_not_taken(files, name, why):
    with pytest.raises(Unexpected) as raised:
        checks.folder(files / name)
    assert raised.value.found == f'"{files / name}", which takes no files ({why})'
    assert raised.value.expected == "a folder that the relay may write to"


def test_a_folder_that_takes_no_file_is_refused(files, monkeypatch):
    def refuses(dir: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(checks, "TemporaryFile", refuses)
    with pytest.raises(Unexpected, match="Read-only file system"):
        checks.folder(files)


def test_a_database_need_not_be_there_and_is_not_made(files):
    before = sorted(files.iterdir())
    checks.database(files / "new.sqlite")
    assert sorted(files.iterdir()) == before


def test_a_database_that_is_there_is_taken_as_it_is(files):
    with sqlite3.connect(files / "old.sqlite") as made:
        made.execute("CREATE TABLE one (two)")
    made.close()
    before = (files / "old.sqlite").read_bytes()
    checks.database(files / "old.sqlite")
    checks.database(files / "empty")
    assert (files / "old.sqlite").read_bytes() == before
    assert (files / "empty").read_bytes() == b""


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing/new", "whose folder takes no files (No such file or directory)"),
        ("text/new", "whose folder takes no files (Not a directory)"),
        ("folder", "which is no file"),
        ("pipe", "which is no file"),
        ("text", "which is something else"),
        ("relay.key", "which is something else"),
        ("x" * 256, "which cannot be written (File name too long)"),
    ],
)
def test_it_is_said_why_a_database_is_not_taken(files, name, why):
    os.mkfifo(files / "pipe")
    with pytest.raises(Unexpected) as raised:
        checks.database(files / name)
    assert raised.value.found == f'"{files / name}", {why}'
    assert raised.value.expected == checks.EXPECTED[Outside.DATABASE]


def test_a_database_that_cannot_be_written_is_refused(files, monkeypatch):
    def refuses(path: Path, mode: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuses)
    with pytest.raises(Unexpected, match="which cannot be written"):
        checks.database(files / "empty")
