"""The profiles of PS3.15 for TLS: which suites there are, and how long keys have to be.

Both are TLS 1.2 and 1.3 with forward secrecy and authenticated encryption, and nothing else. Of 1.3
every suite that OpenSSL offers by itself is fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from tempfile import NamedTemporaryFile

from OpenSSL import SSL

BCP195 = "bcp195"
MODIFIED = "bcp195-modified"

SUITES: Mapping[str, str] = {
    BCP195: "ECDHE+AESGCM",
    MODIFIED: "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:!aDSS",
}
"""Of TLS 1.2, as OpenSSL has it. B.12: ECDHE-{ECDSA,RSA}-AES{128,256}-GCM. B.13, as far as it is
for old peers: ChaCha20, and DHE-RSA, whose groups have 2048 bits or more."""

_SHORTEST = "@SECLEVEL=2"
"""112 bits: no RSA key and no DHE group under 2048 bits, no curve under 224, no SHA-1."""

FFDHE2048 = b"""-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
"""
"""The group ffdhe2048 (RFC 7919 A.1): one that everybody knows is nobody's trap."""


def restrict(context: SSL.Context, profile: str) -> SSL.Context:
    """Leave a context, which makes no connections yet, with what the profile has; the same one."""
    context.set_options(SSL.OP_NO_COMPRESSION | getattr(SSL, "OP_NO_RENEGOTIATION", 0))
    context.set_cipher_list(f"{SUITES[profile]}:{_SHORTEST}".encode("ascii"))
    if profile == MODIFIED:
        with NamedTemporaryFile() as group:  # pyOpenSSL takes a file's name only
            group.write(FFDHE2048)
            group.flush()
            context.load_tmp_dh(group.name)
    return context
