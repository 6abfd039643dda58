"""Scratch files: without a name, unreadable to others, and what was written can be read at once."""

from __future__ import annotations

import errno
import os
import resource
import stat
import tempfile

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from relay import scratch
from relay.bridge.record import Budget, Kept, LostRecord
from relay.scratch import BLOCK, STEP, Scratch
from relay.wire.reader import LAST
from tests.vectors import p_data, pdv
from tests.wire.reading import events

PATIENT = b"Doe^Jane"


@pytest.fixture
def file(tmp_path):
    opened = Scratch(tmp_path)()
    yield opened
    opened.close()


def on_disk(file):
    """The bytes that the system has of it."""
    return os.pread(file._descriptor, 2**24, 0)


def pattern(size):
    """Bytes of which no two stretches of a block are alike."""
    return b"".join(at.to_bytes(8, "big") for at in range(size // 8 + 1))[:size]


# what it gives back


def test_what_was_written_can_be_read_as_soon_as_it_was(file):
    for at in range(0, 40, 5):
        file.write([b"bytes"])
        assert file.read(at, 5) == b"bytes"
        assert file.read(0, 100) == b"bytes" * (at // 5 + 1)


@given(
    st.lists(st.lists(st.binary(max_size=70), max_size=4), max_size=8),
    st.lists(st.tuples(st.integers(0, 600), st.integers(0, 600)), max_size=8),
    st.integers(1, 100),
)
def test_a_read_from_anywhere_gives_what_was_written_there(writes, reads, step):
    whole = b""
    file = Scratch()()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scratch, "STEP", step)
        for buffers in writes:
            file.write([memoryview(each) for each in buffers])
            whole += b"".join(buffers)
            for at, length in reads:
                assert file.read(at, length) == whole[at : at + length]
    file.close()


@pytest.mark.parametrize("size", [STEP - 1, STEP, STEP + 1, 3 * STEP + 5])
def test_writes_longer_than_a_step_are_written_in_full(file, size):
    data = pattern(size)
    file.write([data[:10], memoryview(data)[10:]])
    file.write([b"behind"])
    assert file.read(0, size + 100) == data + b"behind"
    assert file.read(size - BLOCK - 1, 3) == data[-BLOCK - 1 :][:3]


def test_files_of_one_scratch_do_not_mix(tmp_path):
    opens = Scratch(tmp_path)
    one, two = opens(), opens()
    for _ in range(3):
        one.write([b"one!"])
        two.write([b"two?"])
    assert (one.read(0, 12), two.read(0, 12)) == (b"one!" * 3, b"two?" * 3)
    one.close()
    assert two.read(4, 4) == b"two?"
    two.close()


# who else can read it


def test_it_has_no_name(tmp_path, file):
    file.write([PATIENT])
    assert list(tmp_path.iterdir()) == []
    assert os.fstat(file._descriptor).st_nlink == 0


def test_nobody_else_may_open_it(file):
    assert stat.S_IMODE(os.fstat(file._descriptor).st_mode) == 0o600


def test_it_is_not_passed_on_to_another_program(file):
    assert not os.get_inheritable(file._descriptor)


def test_a_folder_that_is_not_there_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError):
        Scratch(tmp_path / "none")()


def test_what_is_on_the_disk_is_not_what_was_written(file):
    file.write([PATIENT * 1000])
    found = on_disk(file)
    assert len(found) == len(PATIENT) * 1000
    assert PATIENT not in found
    blocks = {found[at : at + BLOCK] for at in range(0, len(found), BLOCK)}
    assert len(blocks) == len(found) // BLOCK


def test_no_two_files_have_the_same_key(tmp_path):
    opens = Scratch(tmp_path)
    files = [opens(), opens(), Scratch(tmp_path)()]
    for each in files:
        each.write([bytes(64)])
    assert len({on_disk(each) for each in files}) == 3
    for each in files:
        each.close()


def test_it_is_the_standards_cipher_with_the_offset_for_its_counter(file):
    # Block n of a CTR key stream is the counter n, encrypted (SP 800-38A 6.5).
    file.write([bytes(5 * BLOCK)])
    assert len(file._key) == 32
    ecb = Cipher(algorithms.AES(file._key), modes.ECB()).encryptor()
    stream = b"".join(ecb.update(n.to_bytes(BLOCK, "big")) for n in range(5))
    assert on_disk(file) == stream


def test_neither_key_nor_bytes_show_in_a_repr(tmp_path, file):
    file.write([PATIENT])
    for shown in (repr(file), repr(Scratch(tmp_path))):
        assert repr(file._key)[2:-1] not in shown
        assert "Doe" not in shown and "bytearray" not in shown


# its end


def test_closed_twice_is_fine_and_frees_the_descriptor(file):
    descriptor = file._descriptor
    file.close()
    file.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


@pytest.mark.parametrize(
    "use", [lambda file: file.read(0, 1), lambda file: file.write([b"more"])], ids=["read", "write"]
)
def test_after_its_end_it_is_an_oserror_to_use_it(file, use):
    file.write([b"bytes"])
    file.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        use(file)


def test_after_its_end_it_touches_no_file_that_has_got_its_number(file, tmp_path):
    number = file._descriptor
    file.close()
    with (tmp_path / "other").open("w+b", buffering=0) as other:
        assert other.fileno() == number
        other.write(b"somebody's")
        with pytest.raises(OSError, match="Bad file descriptor"):
            file.write([b"more"])
        with pytest.raises(OSError, match="Bad file descriptor"):
            file.read(0, 4)
        assert (tmp_path / "other").read_bytes() == b"somebody's"


def test_an_error_in_closing_it_is_not_told(file):
    """As network file systems give, for what was written long ago."""

    class Failing:
        def close(self):
            raise OSError(errno.EIO, "Input/output error")

    real, file._file = file._file, Failing()
    file.close()
    real.close()


# a full disk


def test_a_full_disk_is_an_oserror_and_the_file_is_closed(file, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    file.write([b"bytes"])
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(OSError, match="No space left"):
            file.write([b"more"])
    for use in (lambda: file.write([b"more"]), lambda: file.read(0, 5)):
        with pytest.raises(OSError, match="Bad file descriptor"):
            use()


def test_what_is_written_in_part_is_written_again_from_there(file, monkeypatch):
    real, sizes = os.pwrite, []

    def short(descriptor, data, at):
        sizes.append(len(data))
        return real(descriptor, data[:7], at)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", short)
        file.write([pattern(24)])
    file.write([b"behind"])
    assert sizes == [24, 17, 10, 3]
    assert file.read(0, 100) == pattern(24) + b"behind"


@pytest.fixture
def limit():
    """The size that a file of this process may have, until the test is over."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_may_not_grow_is_an_oserror(file, limit):
    file.write([bytes(900)])
    limit(1000)
    with pytest.raises(OSError, match="File too large"):
        file.write([bytes(200)])


def test_a_record_that_finds_the_disk_full_is_lost_and_others_go_on(tmp_path, limit):
    budget = Budget(0, 0, 2**40, Scratch(tmp_path))
    (small,) = events([p_data(pdv(1, LAST, pattern(900)))])
    (large,) = events([p_data(pdv(1, LAST, pattern(1100)))])
    fits, does_not = budget.record(), budget.record()
    limit(1000)
    assert fits.add(small, 900) is Kept.YES
    assert does_not.add(large, 1100) is Kept.LOST
    with pytest.raises(LostRecord):
        does_not.play().next()
    (again,) = iter(fits.play().next, None)
    assert again.bodies() == [pattern(900)]
    fits.forget()
    assert (budget.used_memory, budget.used_disk) == (0, 0)


def test_as_many_bytes_as_a_write_has_cost_one_call_of_the_system(file, monkeypatch):
    real, calls = os.pwrite, []

    def counted(*args):
        calls.append(args)
        return real(*args)

    monkeypatch.setattr(os, "pwrite", counted)
    file.write([bytes(16 * 1024)] * 16)
    file.write([b"odd", b"", b"ends"])
    file.write([])
    assert [len(data) for _, data, _ in calls] == [STEP, 7]


def test_where_temporary_files_go_is_where_they_are_if_no_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "elsewhere"))
    with pytest.raises(FileNotFoundError):
        Scratch(None)()
    (tmp_path / "elsewhere").mkdir()
    Scratch(None)().close()
