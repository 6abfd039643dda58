"""An event as a line of JSON."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from relay.journal.lines import LONGEST_MESSAGE, MOST_FRAMES, Broken, line, moment, sentence

NOON = 1_800_000_000.0


def read(*event, **more):
    return json.loads(line(*event, **more))


def test_an_event_has_its_time_level_origin_words_and_fields_in_this_order():
    said = line(NOON, "info", "relay.x", "it is so", {"peer": "::1", "event": "so", "count": 3})
    assert said == (
        '{"time":"2027-01-15T08:00:00.000Z","level":"info","namespace":"relay.x","event":"so",'
        '"message":"it is so","peer":"::1","count":3}'
    )


def test_a_moment_is_utc_with_milliseconds():
    assert moment(NOON + 0.0625) == "2027-01-15T08:00:00.062Z"


def test_fields_that_are_nothing_are_left_out():
    assert "user" not in read(NOON, "info", "relay", "x", {"user": None, "outcome": object()})


def test_a_field_does_not_stand_for_what_the_line_says_itself():
    fields = {
        "line": 0,
        "time": 1,
        "level": 2,
        "namespace": 3,
        "message": 4,
        "error": 5,
        "traceback": 6,
    }
    found = read(NOON, "warn", "relay", "x", fields)
    assert (found["level"], found["namespace"], found["message"]) == ("warn", "relay", "x")
    assert found.keys() == {"time", "level", "namespace", "message"}


def test_what_broke_is_told_with_where_and_the_innermost_frames():
    frames = [f"a.py:{number} f" for number in range(MOST_FRAMES + 1)]
    found = read(NOON, "critical", "relay", "x", {}, Broken("ValueError", frames))
    assert found["error"] == "ValueError"
    assert found["traceback"] == frames[1:]


@given(st.text(), st.text(), st.dictionaries(st.text(), st.text() | st.integers()))
def test_whatever_is_said_is_one_line_of_ascii(namespace, message, fields):
    said = line(NOON, "info", namespace, message, fields)
    assert said.isascii() and said.isprintable()
    assert isinstance(json.loads(said), dict)


def test_a_line_break_in_words_or_fields_stays_visible_to_who_reads_the_json():
    found = read(NOON, "info", "relay", "a\r\nb", {"peer\n": "c\r\nd"})
    assert found["message"] == r"a\r\nb"
    assert found[r"peer\n"] == r"c\r\nd"


def test_an_event_in_text():
    assert sentence("relay.x#info", "it is so") == "[relay.x#info] it is so"
    frames = [f"a.py:{number} f" for number in range(2)]
    assert sentence("relay.x#critical", "no", Broken("ValueError", frames)) == (
        "[relay.x#critical] no ValueError Traceback (most recent call last): a.py:0 f, a.py:1 f"
    )


@given(st.text(), st.text(), st.lists(st.text(), max_size=3))
def test_whatever_is_said_in_text_is_one_printable_line(who, message, frames):
    assert sentence(who, message, Broken(who, frames)).isprintable()


def test_a_sentence_without_end_is_cut():
    assert len(sentence("relay", "x" * 10 * LONGEST_MESSAGE)) < LONGEST_MESSAGE + 20
