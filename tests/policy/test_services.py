"""service_of: every SOP class that pydicom knows, and UIDs that nobody knows."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom._uid_dict import UID_dictionary

from relay.policy.services import SERVICES, example_of, service_of

NAMED = {
    *("verification", "storage", "query-retrieve", "worklist", "mpps", "storage-commitment"),
    *("print", "ups", "instance-availability", "relevant-patient", "hanging-protocol"),
    *("color-palette", "implant-template", "display-system", "media-creation", "substance"),
    *("rt-machine-verification", "protocol-approval", "other"),
}

SOP_CLASSES = {
    uid: name
    for uid, (name, kind, *_) in UID_dictionary.items()
    if kind in {"SOP Class", "Meta SOP Class"}
}

# What fits none of the names: retired management and notification, the procedural event log, and
# real-time video, which travels over RTP and not over an association (PS3.22).
UNNAMED = {
    "1.2.840.10008.1.9",
    "1.2.840.10008.1.40",
    "1.2.840.10008.3.1.2.1.1",
    "1.2.840.10008.3.1.2.1.4",
    "1.2.840.10008.3.1.2.2.1",
    "1.2.840.10008.3.1.2.3.1",
    "1.2.840.10008.3.1.2.3.2",
    "1.2.840.10008.3.1.2.5.1",
    "1.2.840.10008.3.1.2.5.4",
    "1.2.840.10008.3.1.2.5.5",
    "1.2.840.10008.3.1.2.6.1",
    "1.2.840.10008.10.1",
    "1.2.840.10008.10.2",
    "1.2.840.10008.10.3",
    "1.2.840.10008.10.4",
}

# Storage classes that belong to another service together with its own queries.
OWN_FAMILY = {
    "1.2.840.10008.5.1.4.1.1.200.3": "protocol-approval",
    "1.2.840.10008.5.1.4.38.1": "hanging-protocol",
    "1.2.840.10008.5.1.4.39.1": "color-palette",
    "1.2.840.10008.5.1.4.43.1": "implant-template",
    "1.2.840.10008.5.1.4.44.1": "implant-template",
    "1.2.840.10008.5.1.4.45.1": "implant-template",
}


def test_the_names_are_those_of_the_documentation():
    assert SERVICES == NAMED


def test_the_sop_classes_without_a_service_are_exactly_those_listed():
    assert {uid for uid in SOP_CLASSES if service_of(uid) == "other"} == UNNAMED


def test_every_storage_class_is_storage_or_of_its_own_family():
    stored = {
        uid for uid, name in SOP_CLASSES.items() if " Storage" in name and "Commit" not in name
    }
    assert len(stored) > 150
    assert {uid: service_of(uid) for uid in stored} == dict.fromkeys(stored, "storage") | OWN_FAMILY


@pytest.mark.parametrize("suffix", ["- FIND", "- MOVE", "- GET"])
def test_a_query_is_never_taken_for_storage(suffix):
    found = {service_of(uid) for uid, name in SOP_CLASSES.items() if name.endswith(suffix)}
    assert "query-retrieve" in found
    assert "storage" not in found


@pytest.mark.parametrize(
    ("uid", "service"),
    [
        ("1.2.840.10008.1.1", "verification"),
        ("1.2.840.10008.5.1.4.1.1.2", "storage"),
        ("1.2.840.10008.5.1.4.1.1.40", "storage"),  # retired, and without a name by now
        ("1.2.840.10008.5.1.4.1.2.2.1", "query-retrieve"),
        ("1.2.840.10008.5.1.4.31", "worklist"),
        ("1.2.840.10008.3.1.2.3.3", "mpps"),
        ("1.2.840.10008.3.1.2.3.4", "mpps"),
        ("1.2.840.10008.3.1.2.3.5", "mpps"),
        ("1.2.840.10008.1.20.1", "storage-commitment"),
        ("1.2.840.10008.1.20.2", "storage-commitment"),
        ("1.2.840.10008.5.1.1.9", "print"),
        ("1.2.840.10008.5.1.1.16.376", "print"),  # printer configuration retrieval
        ("1.2.840.10008.5.1.1.33", "media-creation"),
        ("1.2.840.10008.5.1.1.40", "display-system"),
        ("1.2.840.10008.5.1.4.34.4.1", "ups"),
        ("1.2.840.10008.5.1.4.34.6.1", "ups"),
        ("1.2.840.10008.5.1.4.34.8", "rt-machine-verification"),
        ("1.2.840.10008.5.1.4.33", "instance-availability"),
        ("1.2.840.10008.5.1.4.37.1", "relevant-patient"),
        ("1.2.840.10008.5.1.4.38.2", "hanging-protocol"),
        ("1.2.840.10008.5.1.4.39.2", "color-palette"),
        ("1.2.840.10008.5.1.4.45.2", "implant-template"),
        ("1.2.840.10008.5.1.4.41", "substance"),
        ("1.2.840.10008.1.42", "substance"),
        ("1.2.840.10008.5.1.4.1.1.200.4", "protocol-approval"),
    ],
)
def test_a_known_class_has_its_service(uid, service):
    assert service_of(uid) == service


def test_a_storage_class_that_is_not_known_yet_is_storage():
    assert service_of("1.2.840.10008.5.1.4.1.1.9999.1") == "storage"


def test_a_root_ends_at_a_dot():
    assert service_of("1.2.840.10008.5.1.4.311") == "other"
    assert service_of("1.2.840.10008.1.10") == "other"


@pytest.mark.parametrize("uid", ["", "1", "1.2.840.10008", "1.2.840.10009.1.1", "2.25.7", ".", "x"])
def test_what_is_private_or_no_uid_is_other(uid):
    assert service_of(uid) == "other"


@given(st.text(alphabet="0123456789.", max_size=64))
def test_any_uid_has_one_of_the_names(uid):
    assert service_of(uid) in SERVICES


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_an_example_of_a_service_belongs_to_it(service):
    assert service_of(example_of(service)) == service


def test_pydicom_is_not_needed_to_tell():
    program = "import sys, relay.policy.services; print('pydicom' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
