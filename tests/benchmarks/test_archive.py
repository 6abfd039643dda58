"""The archive: what it answers beside storing."""

from __future__ import annotations

from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage, Verification  # type: ignore[attr-defined]

from benchmarks.archive import LOOPBACK, Archive


def test_an_association_that_is_kept_may_ask_whether_it_lives():
    caller = AE()
    caller.add_requested_context(CTImageStorage)
    caller.add_requested_context(Verification)
    with Archive() as archive:
        association = caller.associate(LOOPBACK, archive.port)
        assert [association.send_c_echo().Status for _ in range(2)] == [0x0000, 0x0000]
        association.release()
