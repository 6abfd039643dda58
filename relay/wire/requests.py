"""A-ASSOCIATE-RQs that have come before: a device proposes the same each time that it calls.

To decode a request takes as long as all that is done about it, and some devices propose a hundred
presentation contexts, for each image anew. Equal bytes make equal requests, and a request never
changes, so one that was decoded stands for all that follow.

What was remembered is found by a digest: no bytes are kept, and with them nothing that nobody has
looked at. A request with a user identity is not kept at all.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

import attrs

from relay.wire.pdu import AssociateRQ

MOST_BYTES = 1024 * 1024
"""Bytes of all requests that are remembered, as they came. Decoded they take a few times as much,
and a dozen times at worst. A large request has some ten thousand."""


@attrs.define(eq=False)
class Requests:
    """Decodes requests, and remembers `most` bytes of them: those that came last."""

    most: int = MOST_BYTES
    _known: OrderedDict[bytes, tuple[AssociateRQ, int]] = attrs.field(
        factory=OrderedDict, repr=False
    )
    _size: int = 0

    def decode(self, body: bytes) -> AssociateRQ:
        """The request with this body; ProtocolError as `AssociateRQ.decode` says."""
        digest = blake2b(body).digest()
        known = self._known.get(digest)
        if known is not None:
            self._known.move_to_end(digest)
            return known[0]
        request = AssociateRQ.decode(body)
        if request.user_information.user_identity is None:
            self._keep(digest, request, len(body))
        return request

    def _keep(self, digest: bytes, request: AssociateRQ, size: int) -> None:
        self._known[digest] = (request, size)
        self._size += size
        while self._size > self.most:
            _, (_, gone) = self._known.popitem(last=False)
            self._size -= gone


REQUESTS = Requests()
"""Those of the process: what a request says does not depend on where it came in."""
