"""Checks that reach beyond the file: endpoint descriptions, PEM files, folders, databases.

They do what the relay itself will do, so that a mistake shows before any port opens: files are
loaded by OpenSSL, and a temporary file is made in the folder for them.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryFile

import attrs
from cryptography.x509 import load_pem_x509_certificates
from OpenSSL import SSL, crypto
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory

from .mistakes import Unexpected, describe, quoted
from .model import Outside
from .revocations import read_revocations
from .secret_files import read_passcode, read_secret, read_users

_KINDS = {"tcp", "tcp6", "unix", "systemd"}
_SQLITE = b"SQLite format 3\0"
EXPECTED: Mapping[Outside, str] = {
    Outside.ENDPOINT: 'a Twisted endpoint (tcp, tcp6, unix, systemd) such as "tcp:port=11112"',
    Outside.CERTIFICATE: "a PEM file with a certificate, its chain behind it",
    Outside.KEY: "a PEM file with a private key, without a passphrase",
    Outside.AUTHORITIES: "a PEM file with certificates of authorities",
    Outside.REVOCATIONS: "a PEM file with certificate revocation lists",
    Outside.FOLDER: "a folder that the relay may write to",
    Outside.USERS: "a file of users and bcrypt hashes, as htpasswd -B makes it",
    Outside.PASSCODE: "a file whose first line is a passcode",
    Outside.SECRET: "a file with a secret of 16 bytes or more, such as openssl rand -hex 32 prints",
    Outside.DATABASE: "an SQLite database that the relay may write to, or a name for a new one",
}


@attrs.define
class _Recorder:
    """Stands in for a reactor: notes where an endpoint would listen, and opens nothing."""

    where: int | str | None = None

    def listenTCP(self, port: int, factory: Factory, **_: object) -> None:
        """Note the port."""
        self.where = port

    def listenUNIX(self, address: str, factory: Factory, **_: object) -> None:
        """Note the path."""
        self.where = address


def endpoint(text: str) -> None:
    """Raise `Unexpected` unless Twisted can listen by this description, as far as one can tell."""
    try:
        where = _where(text)
    except LookupError as error:
        raise Unexpected(describe(text), "a socket that systemd has passed on") from error
    except (ValueError, TypeError, AttributeError, RuntimeError) as error:
        # all of these come from Twisted's parser, for one wrong description or another
        raise Unexpected(describe(text), EXPECTED[Outside.ENDPOINT]) from error
    if where == "":
        raise Unexpected(describe(text), "a path behind unix:")
    if isinstance(where, int) and not 0 <= where <= 65535:
        raise Unexpected(describe(text), "a port from 0 to 65535 (0: any that is free)")


def _where(text: str) -> int | str | None:
    kind = text.partition(":")[0]
    # The others bring TLS, a protocol or a terminal of their own. A port may have spaces around it,
    # tabs included, but whatever is said of an endpoint quotes it in one line.
    if kind not in _KINDS or not text.isprintable():
        raise ValueError(text)
    recorder = _Recorder()
    made = serverFromString(recorder, text)
    if kind != "systemd":  # which would take the socket over
        made.listen(Factory())
    return recorder.where


def _load_key(path: Path) -> None:
    # an encrypted key fails; without a passphrase given OpenSSL would ask the terminal for one
    crypto.load_privatekey(crypto.FILETYPE_PEM, path.read_bytes(), b"")


def _load_chain(path: Path) -> None:
    SSL.Context(SSL.TLS_METHOD).use_certificate_chain_file(str(path))


def _load_authorities(path: Path) -> None:
    SSL.Context(SSL.TLS_METHOD).load_verify_locations(str(path))
    load_pem_x509_certificates(path.read_bytes())  # OpenSSL takes revocation lists alone, too


_SECRETS: Mapping[Outside, Callable[[Path], object]] = {
    Outside.USERS: read_users,
    Outside.PASSCODE: read_passcode,
    Outside.SECRET: read_secret,
}
_LOADERS: Mapping[Outside, Callable[[Path], object]] = {
    Outside.CERTIFICATE: _load_chain,
    Outside.KEY: _load_key,
    Outside.AUTHORITIES: _load_authorities,
    Outside.REVOCATIONS: read_revocations,
}


def pem(kind: Outside, path: Path) -> None:
    """Raise `Unexpected` unless the file can be read and OpenSSL takes it for what it should be."""
    name, expected = name_of(path), EXPECTED[kind]
    try:
        _has_an_end(path)
        path.read_bytes()
        _LOADERS[kind](path)
    except OSError as error:
        raise Unexpected(f"{name}, which cannot be read ({error.strerror})", expected) from error
    except (SSL.Error, crypto.Error) as error:
        why = error.args[0][0][2]  # of the first (library, function, reason)
        raise Unexpected(f"{name}, which does not load ({why})", expected) from error
    except ValueError as error:  # from cryptography, whose words are not for operators
        raise Unexpected(f"{name}, which does not load", expected) from error


def file(kind: Outside, path: Path) -> None:
    """Raise `Unexpected` unless the file or folder is what it should be."""
    if kind is Outside.FOLDER:
        folder(path)
    elif kind is Outside.DATABASE:
        database(path)
    elif kind in _SECRETS:
        secret(kind, path)
    else:
        pem(kind, path)


def secret(kind: Outside, path: Path) -> None:
    """Raise `Unexpected` unless the file has what it should; no secret is quoted."""
    try:
        _has_an_end(path)
        _SECRETS[kind](path)
    except OSError as error:
        found = f"{name_of(path)}, which cannot be read ({error.strerror})"
        raise Unexpected(found, EXPECTED[kind]) from error
    except Unexpected as error:
        raise Unexpected(f"{name_of(path)}: {error.found}", error.expected) from error


def _has_an_end(path: Path) -> None:
    """OSError for what might be read for ever, or but once: a pipe, a device."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "not a file on disk")


def folder(path: Path) -> None:
    """Raise `Unexpected` unless temporary files can be made in this folder."""
    try:
        TemporaryFile(dir=path).close()
    except OSError as error:
        found = f"{name_of(path)}, which takes no files ({error.strerror})"
        raise Unexpected(found, EXPECTED[Outside.FOLDER]) from error


def database(path: Path) -> None:
    """Raise `Unexpected` unless SQLite can write this file, which need not be there yet."""
    if why := _why_no_folder(path.parent) or _why_no_database(path):
        raise Unexpected(f"{name_of(path)}, {why}", EXPECTED[Outside.DATABASE])


def _why_no_folder(path: Path) -> str | None:
    try:
        TemporaryFile(dir=path).close()  # as the journal of a database will be
    except OSError as error:
        return f"whose folder takes no files ({error.strerror})"
    return None


def _why_no_database(path: Path) -> str | None:
    """What speaks against a file that is there: it is empty, or begins as one of SQLite does."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return "which is no file"
        with path.open("r+b") as opened:
            is_one = opened.read(len(_SQLITE)) in {b"", _SQLITE}
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"which cannot be written ({error.strerror})"
    return None if is_one else "which is something else"


def name_of(path: Path) -> str:
    """The name of a file as a phrase."""
    return quoted(str(path), longest=4096)
