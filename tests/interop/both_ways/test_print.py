"""Print, from the ward and to it: dcmprscu's film session lives as long as its association."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.doors import Door
from tests.interop.objects import bundled_path
from tests.interop.printing import DcmPrScp, print_images
from tests.interop.site import Site

pytestmark = pytest.mark.peers("dcmtk", "orthanc", "stunnel")

IMAGES = ("CT_small.dcm", "MR_small.dcm")
SERVICES = ("N-GET", "N-CREATE", "N-SET", "N-ACTION", "N-DELETE")


def prints_as_if_straight(folder: Path, printer: DcmPrScp, door: Door) -> None:
    """Assert that each message, and the film, is the same by `door` as it is without the relay."""
    images = [bundled_path(name) for name in IMAGES]
    straight = print_images(folder, Door(printer.port, printer.ae_title), *images)
    film = printer.take()
    assert print_images(folder, door, *images) == straight
    assert printer.take() == film
    assert straight.status == 0
    assert len(film) == len(IMAGES)
    assert all(f": {service} RQ" in straight.said for service in SERVICES)
    assert straight.said.count(": 0x0000: Success") == straight.said.count(" RQ")


@pytest.mark.shows("N-GET", "modality to archive", "DCMTK", "DCMTK")
@pytest.mark.shows("N-CREATE", "modality to archive", "DCMTK", "DCMTK")
@pytest.mark.shows("N-SET", "modality to archive", "DCMTK", "DCMTK")
@pytest.mark.shows("N-ACTION", "modality to archive", "DCMTK", "DCMTK")
@pytest.mark.shows("N-DELETE", "modality to archive", "DCMTK", "DCMTK")
def test_a_modality_prints_as_it_does_without_the_relay(site: Site, tmp_path: Path):
    prints_as_if_straight(tmp_path, site.archives.printer, site.inward("PRINTER"))


@pytest.mark.shows("N-GET", "archive to modality", "DCMTK", "DCMTK")
@pytest.mark.shows("N-CREATE", "archive to modality", "DCMTK", "DCMTK")
@pytest.mark.shows("N-SET", "archive to modality", "DCMTK", "DCMTK")
@pytest.mark.shows("N-ACTION", "archive to modality", "DCMTK", "DCMTK")
@pytest.mark.shows("N-DELETE", "archive to modality", "DCMTK", "DCMTK")
def test_an_archive_prints_on_a_camera_of_the_ward(site: Site, tmp_path: Path):
    prints_as_if_straight(tmp_path, site.ward.camera, site.tunnelled("CAMERA"))
