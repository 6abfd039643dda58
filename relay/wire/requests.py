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

from relay.wire.bounds import BOUNDS, Bounds, Extent
from relay.wire.pdu import AssociateRQ

MOST_BYTES = 1024 * 1024
"""Bytes of all requests that are remembered, as they came. Decoded they take a few times as much,
and a dozen times at worst. A large request has some ten thousand."""


@attrs.frozen
class _Known:
    """A request, the bytes that it had, and how much was in them."""

    request: AssociateRQ
    size: int
    extent: Extent


@attrs.define(eq=False)
class Requests:
    """Decodes requests, and remembers `most` bytes of them: those that came last."""

    most: int = MOST_BYTES
    _known: OrderedDict[bytes, _Known] = attrs.field(factory=OrderedDict, repr=False)
    _size: int = 0

    def decode(self, body: bytes, bounds: Bounds = BOUNDS) -> AssociateRQ:
        """The request with this body; ProtocolError where it is beyond `bounds`, and as
        `AssociateRQ.decode` says."""
        digest = blake2b(body).digest()
        known = self._known.get(digest)
        if known is not None:
            bounds.check(known.extent)
            self._known.move_to_end(digest)
            return known.request
        extent = bounds.measure(body)
        request = AssociateRQ.decode(body)
        if request.user_information.user_identity is None:
            self._keep(digest, _Known(request, len(body), extent))
        return request

    def _keep(self, digest: bytes, known: _Known) -> None:
        self._known[digest] = known
        self._size += known.size
        while self._size > self.most:
            _, gone = self._known.popitem(last=False)
            self._size -= gone.size


REQUESTS = Requests()
"""Those of the process: what a request says does not depend on where it came in."""
