"""Bytes as they stand on the wire, written by hand from the tables of PS3.8 and PS3.7.

Nothing here is made by the code under test: lengths are literal in the vectors, and `pdv` and
`p_data` frame with struct alone.
"""

from __future__ import annotations

import re
import struct

_TOKEN = re.compile(r"#.*|'([^']*)'|([0-9A-Fa-f]+)")


def octets(text: str) -> bytes:
    """Bytes from hexadecimal digits and 'quoted ASCII'; what is behind a # is a comment."""
    found = _TOKEN.finditer(text)
    return b"".join((m[1] or "").encode() + bytes.fromhex(m[2] or "") for m in found)


def item(kind: int, body: bytes) -> bytes:
    """An item with its header of four bytes."""
    return struct.pack(">BxH", kind, len(body)) + body


def pdu(kind: int, body: bytes) -> bytes:
    """A PDU with its header of six bytes."""
    return struct.pack(">BxL", kind, len(body)) + body


def pdv(context_id: int, control: int, body: bytes) -> bytes:
    """A fragment with its header of six bytes."""
    return struct.pack(">LBB", len(body) + 2, context_id, control) + body


def p_data(*pdvs: bytes) -> bytes:
    """A P-DATA-TF that holds these."""
    return pdu(4, b"".join(pdvs))


VERIFICATION = "1.2.840.10008.1.1"
CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
STORAGE_SERVICE = "1.2.840.10008.4.2"
IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"

APPLICATION_CONTEXT = octets("10 00 0015 '1.2.840.10008.3.1.1.1'")

ASSOCIATE_RQ = octets(
    """
    01 00 000001AC                      # PS3.8 table 9-11
    0001 0000                           # protocol version
    'ARCHIVE         '                  # called
    'MODALITY        '                  # calling
    0000000000000000 0000000000000000 0000000000000000 0000000000000000
    10 00 0015 '1.2.840.10008.3.1.1.1'
    20 00 002E 01 00 00 00
      30 00 0011 '1.2.840.10008.1.1'
      40 00 0011 '1.2.840.10008.1.2'
    20 00 0052 03 00 00 00
      30 00 0019 '1.2.840.10008.5.1.4.1.1.2'
      40 00 0013 '1.2.840.10008.1.2.1'
      40 00 0016 '1.2.840.10008.1.2.4.70'
    50 00 00C3
      51 00 0004 00004000               # maximum length 16384
      52 00 0006 '2.25.1'
      53 00 0004 0001 0001              # one operation invoked, one performed
      54 00 001D 0019 '1.2.840.10008.5.1.4.1.1.2' 00 01
      55 00 0008 'RELAY_01'
      56 00 001E 0019 '1.2.840.10008.5.1.4.1.1.2' 01 01 00
      57 00 003F 0019 '1.2.840.10008.5.1.4.1.1.2' 0011 '1.2.840.10008.4.2'
        000F 0005 '1.2.3' 0006 '1.2.34'
      58 00 0013 02 01 0007 'someone' 0006 'secret'
    """
)
"""Two contexts and every sub-item of user information that a request can have."""

ASSOCIATE_AC = octets(
    """
    02 00 000000FF                      # PS3.8 table 9-17
    0001 0000
    'ARCHIVE         '
    'MODALITY        '
    0000000000000000 0000000000000000 0000000000000000 0000000000000000
    10 00 0015 '1.2.840.10008.3.1.1.1'
    21 00 0019 01 00 00 00 40 00 0011 '1.2.840.10008.1.2'
    21 00 0008 03 00 03 00 40 00 0000   # abstract syntax not supported
    50 00 0075
      51 00 0004 00008000
      52 00 0006 '2.25.1'
      53 00 0004 0001 0001
      54 00 001D 0019 '1.2.840.10008.5.1.4.1.1.2' 00 01
      55 00 0008 'RELAY_01'
      56 00 001E 0019 '1.2.840.10008.5.1.4.1.1.2' 01 00 00
      59 00 0008 0006 'ticket'
    """
)
"""The answer to ASSOCIATE_RQ: one context accepted, one not, and the answering sub-items."""

ASSOCIATE_RJ = octets("03 00 00000004 00 02 03 01")
"""Transient, by the provider (presentation), temporary congestion (PS3.8 table 9-21)."""

RELEASE_RQ = octets("05 00 00000004 00000000")
RELEASE_RP = octets("06 00 00000004 00000000")
ABORT = octets("07 00 00000004 00 00 02 06")
"""By the provider, invalid PDU parameter (PS3.8 table 9-26)."""

P_DATA = octets(
    """
    04 00 0000001A                      # PS3.8 table 9-22
    0000000A 01 03 'COMMANDS'           # context 1, a command set's last fragment
    00000008 01 02 'PIXELS'             # context 1, a dataset's last fragment
    """
)
"""A whole message in one PDU."""

HTTP_REQUEST = b"GET / HTTP/1.1\r\nHost: relay.example.org\r\n\r\n"
TLS_CLIENT_HELLO = octets("16 03 01 0200 01 0001FC 0303") + bytes(range(200))
