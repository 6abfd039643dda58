"""A relay written with pynetdicom, by somebody who uses it in earnest; to compare with.

Objects are passed on encoded as they came: no dataset is decoded. Associations with the archive are
kept and used again, and the handlers that would write each event into a log are off.

`python pynetdicom_relay.py PORT ARCHIVE_PORT CA`: from one port of loopback to another one, there
by TLS, believing an authority.
"""

from __future__ import annotations

import argparse
import socket
import ssl
import time
from queue import Empty, LifoQueue

from pynetdicom import AE, StoragePresentationContexts, _config, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

LOOPBACK = "127.0.0.1"
MAXIMUM = 131072
"""The maximum length that it announces, as the relay does."""

MOST = 1000
"""Associations at a time."""

OUT_OF_RESOURCES = 0xA700
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
SOP_CLASSES = [each.abstract_syntax for each in StoragePresentationContexts if each.abstract_syntax]


class Upstreams:
    """Associations with the archive: one for each object that is on its way, then kept."""

    def __init__(self, port: int, ca: str) -> None:
        self._port = port
        self._context = ssl.create_default_context(cafile=ca)
        self._idle: LifoQueue[Association] = LifoQueue()
        self._entity = AE("RELAY")
        self._entity.maximum_pdu_size = MAXIMUM
        self._entity.dimse_timeout = 60
        # Kept associations may be idle for as long as they like.
        self._entity.network_timeout = None
        for sop_class in SOP_CLASSES:
            self._entity.add_requested_context(sop_class, EXPLICIT_LITTLE)

    def store(self, request: C_STORE, transfer_syntax: str) -> int:
        """Pass a request on, and return the status that the archive answers with."""
        association = self._take()
        context_id = next(
            context.context_id
            for context in association.accepted_contexts
            if context.abstract_syntax == request.AffectedSOPClassUID
            and context.transfer_syntax[0] == transfer_syntax
        )
        assert context_id is not None
        association.dimse.send_msg(request, context_id)
        _, response = association.dimse.get_msg(block=True)
        if not isinstance(response, C_STORE) or response.Status is None:
            association.abort()
            return OUT_OF_RESOURCES
        self._idle.put(association)
        return response.Status

    def _take(self) -> Association:
        while True:
            try:
                association = self._idle.get_nowait()
            except Empty:
                return self._open()
            if association.is_established:
                return association

    def _open(self) -> Association:
        association = self._entity.associate(
            LOOPBACK, self._port, ae_title="ARCHIVE", tls_args=(self._context, "localhost")
        )
        if not association.is_established:
            raise ConnectionError("the archive does not take up an association")
        _at_once(association)
        # send_c_store() stops the association's own reading of messages for as long as it waits
        # for a response. Here it stays so: nothing but responses comes.
        association._reactor_checkpoint.clear()
        while not association._is_paused:
            time.sleep(0.0001)
        return association


def serve(port: int, upstreams: Upstreams) -> None:
    """Take up associations until the process ends."""
    entity = AE("ARCHIVE")
    entity.maximum_pdu_size = MAXIMUM
    entity.maximum_associations = MOST
    entity.network_timeout = None
    entity.add_supported_context(Verification)
    for sop_class in SOP_CLASSES:
        entity.add_supported_context(sop_class, EXPLICIT_LITTLE)

    def handle_store(event: evt.Event) -> int:
        request = event.request
        assert isinstance(request, C_STORE)
        return upstreams.store(_copy(request), event.context.transfer_syntax)

    handlers: list[evt.EventHandlerType] = [
        (evt.EVT_CONN_OPEN, lambda event: _at_once(event.assoc)),
        (evt.EVT_C_STORE, handle_store),
    ]
    entity.start_server((LOOPBACK, port), evt_handlers=handlers)


def _at_once(association: Association) -> None:
    """Have what is written leave at once: pynetdicom writes a message in several pieces, and with
    Nagle's algorithm and delayed ACKs that costs 40 ms an object.
    """
    connection = association.dul.socket
    assert connection is not None and connection.socket is not None
    connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _copy(request: C_STORE) -> C_STORE:
    """The same request, to be sent: its dataset is the very bytes that came."""
    copy = C_STORE()
    copy.MessageID = request.MessageID
    copy.AffectedSOPClassUID = request.AffectedSOPClassUID
    copy.AffectedSOPInstanceUID = request.AffectedSOPInstanceUID
    copy.Priority = request.Priority
    copy.DataSet = request.DataSet
    return copy


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("archive", type=int)
    parser.add_argument("ca")
    asked = parser.parse_args()
    _config.LOG_HANDLER_LEVEL = "none"
    serve(asked.port, Upstreams(asked.archive, asked.ca))


if __name__ == "__main__":
    main()
