"""The folder of Part 10 files, and the index of what can be asked for."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from relay.demo.datasets import encoded
from relay.demo.store import Store, Unreadable
from tests.demo.door import GARBAGE, STORE, dataset_in, identifier


def stored(store: Store, dataset: bytes, instance: str = "1.2.3", archive: str = "a") -> None:
    incoming = store.begin(archive, STORE, instance)
    for at in range(0, len(dataset), 7):
        incoming.write(dataset[at : at + 7])
    incoming.complete()


def bytes_of(**elements: object) -> bytes:
    return encoded(identifier(**elements), STORE.transfer_syntax)


def test_a_file_says_what_it_holds_and_holds_what_came(tmp_path: Path):
    dataset = bytes_of(SOPInstanceUID="1.2.3", PatientName="Canary")
    stored(Store(tmp_path), dataset)
    (path,) = tmp_path.iterdir()
    meta = dcmread(path).file_meta
    assert meta.MediaStorageSOPClassUID == STORE.abstract_syntax
    assert meta.MediaStorageSOPInstanceUID == "1.2.3"
    assert meta.TransferSyntaxUID == STORE.transfer_syntax
    assert dataset_in(path) == dataset


def test_an_object_gives_its_dataset_back_and_tells_its_door(tmp_path: Path):
    store = Store(tmp_path)
    dataset = bytes_of(SOPInstanceUID="1.2.3", Rows=4)
    stored(store, dataset, archive="archive-b")
    last = store.last("1.2.3")
    assert last is not None
    assert (last.archive, last.dataset()) == ("archive-b", dataset)


def test_the_last_of_an_object_counts_and_the_first_stays_on_disk(tmp_path: Path):
    store = Store(tmp_path)
    both = [bytes_of(SOPInstanceUID="1.2.3", Rows=rows) for rows in (1, 2)]
    for dataset in both:
        stored(store, dataset)
    last = store.last("1.2.3")
    assert last is not None
    assert last.dataset() == both[1]
    assert [header.Rows for header in store.headers()] == [2]
    assert [dataset_in(path) for path in sorted(tmp_path.iterdir())] == both


def test_an_object_is_not_there_before_it_is_complete(tmp_path: Path):
    store = Store(tmp_path)
    incoming = store.begin("a", STORE, "1.2.3")
    incoming.write(bytes_of(SOPInstanceUID="1.2.3"))
    assert store.last("1.2.3") is None
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
    incoming.discard()
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_dataset_is_unreadable_and_says_nothing_of_itself(tmp_path: Path):
    with pytest.raises(Unreadable, match=r"\A\Z"):
        stored(Store(tmp_path), GARBAGE)


def test_a_value_that_is_wrong_does_not_hide_the_others(tmp_path: Path):
    store = Store(tmp_path)
    number = b"\x28\0\x10\0US\3\0abc"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stored(store, bytes_of(SOPInstanceUID="1.2.3", StudyInstanceUID="1.2") + number)
    (header,) = store.headers()
    assert header == identifier(SOPInstanceUID="1.2.3", StudyInstanceUID="1.2")
    assert isinstance(header, Dataset)


def test_a_repr_shows_nothing_of_an_object(tmp_path: Path):
    store = Store(tmp_path)
    incoming = store.begin("a", STORE, "1.2.826.99")
    incoming.write(bytes_of(SOPInstanceUID="1.2.826.99", PatientName="Canary"))
    incoming.complete()
    shown = f"{store!r} {incoming!r} {store.last('1.2.826.99')!r}"
    assert "Canary" not in shown
    assert "1.2.826.99" not in shown
