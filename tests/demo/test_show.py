"""What is printed: columns that stand under each other, a summary that counts."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest

from relay.demo.show import Sent, Show

STORED = Sent("a.dcm", 1234567, 0.0123, 0, "archive-a", is_same=True)
OTHER = Sent("a-long-name.dcm", 8, 1.5, 0, "archive-b", is_same=True)
DIFFERENT = Sent("b.dcm", 10, 0.1, 0, "archive-b", is_same=False)
REFUSED = Sent("c.dcm", 10, 0.1, 0xA700, None, is_same=False)
UNANSWERED = Sent("d.dcm", 10, 0.0, None, None, is_same=False, why="the association has ended")


@pytest.fixture
def show() -> Show:
    return Show(StringIO())


def printed(show: Show) -> list[str]:
    assert isinstance(show.out, StringIO)
    return show.out.getvalue().splitlines()


def test_columns_stand_under_each_other_and_under_their_heading(show: Show):
    sent = (STORED, OTHER, REFUSED)
    show.heading(each.name for each in sent)
    for each in sent:
        show.line(each)
    assert printed(show) == [
        "file                 bytes  archive         time  status",
        "a.dcm            1,234,567  archive-a    12.3 ms  0000",
        "a-long-name.dcm          8  archive-b  1500.0 ms  0000",
        "c.dcm                   10  -           100.0 ms  A700",
    ]


def test_an_object_that_was_not_answered_has_no_status_but_a_reason(show: Show):
    show.line(UNANSWERED)
    (line,) = printed(show)
    assert line.split(maxsplit=6)[-2:] == ["-", "the association has ended"]


def test_an_object_that_differs_on_disk_says_so(show: Show):
    show.line(DIFFERENT)
    (line,) = printed(show)
    assert line.endswith("0000    differs on disk")


def test_the_summary_counts_what_is_stored_where_and_what_equals_its_original(show: Show):
    show.summary([STORED, OTHER, DIFFERENT, REFUSED, UNANSWERED], 3, 2.25)
    assert printed(show)[1:] == [
        "3 of 5 objects stored in 2.2 s: 1 by archive-a, 2 by archive-b.",
        "2 of them, 1,234,575 bytes in all, equal the originals byte for byte.",
        "(3 more of pydicom's sample files hold no object that could be stored.)",
    ]


def test_what_to_try_next_names_the_port_and_the_folder(show: Show):
    show.next(Path("/demo"), "127.0.0.1", 4711, Path("/it's/CT.dcm"))
    text = "\n".join(printed(show))
    assert "/demo stays" in text
    assert "  echoscu -v -aec RELAY 127.0.0.1 4711" in text
    assert """  storescu -v -aec RELAY 127.0.0.1 4711 '/it'"'"'s/CT.dcm'""" in text
    assert "  findscu -v -S -k QueryRetrieveLevel=STUDY " in text
