"""Every input of the corpus through its target, without atheris; and the targets see what is wrong.

What a fuzzer found and is fixed stands where its module is tested; the input may stay here, too.
"""

from __future__ import annotations

import attrs
import pytest

from relay import bindings
from relay.bridge import messages
from relay.config import Configuration, ConfigurationError, Mistake, parse
from relay.wire import (
    command,
    dataset,
    elements,
    items,
    negotiation,
    pdu,
    reader,
    upperlayer,
    user_information,
    writer,
)
from tests.fuzz import configuration
from tests.fuzz.targets import CORPUS, LARGEST, NAMES, Target, seeds

INPUTS = [(name, path) for name in NAMES for path in seeds(name)]


def label(value: object) -> str:
    return getattr(value, "name", str(value))


@pytest.mark.parametrize(("name", "path"), INPUTS, ids=label)
def test_an_input_of_the_corpus_holds_what_its_target_wants(name, path):
    Target.named(name).check(path.read_bytes())


@pytest.mark.parametrize(("name", "path"), INPUTS, ids=label)
def test_an_input_of_the_corpus_is_small(name, path):
    assert path.stat().st_size <= LARGEST


def test_each_target_has_a_corpus_and_each_corpus_a_target():
    assert {path.name for path in CORPUS.iterdir()} == set(NAMES)
    assert all(map(seeds, NAMES))


@pytest.mark.parametrize("name", NAMES)
def test_whatever_is_cut_off_an_input_a_target_copes_with_it(name):
    target = Target.named(name)
    for path in target.seeds:
        data = path.read_bytes()
        for cut in range(1, 12):
            target.check(data[: len(data) * cut // 12])


# what a target is for: it finds what is wrong with what it looks at


def finds(name: str) -> bool:
    """Whether some input of the corpus shows that something is wrong."""
    target = Target.named(name)
    for path in target.seeds:
        try:
            target.check(path.read_bytes())
        except ConfigurationError:
            raise
        except Exception:
            return True
    return False


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_found_where_nothing_is_wrong(name):
    assert not finds(name)


def altered(function, change):
    """The function with its result changed."""
    return lambda *its, **more: change(function(*its, **more))


@pytest.mark.parametrize(
    ("name", "place", "what", "wrong"),
    [
        ("association", pdu, "uid", lambda raw: raw.decode("latin-1")),
        ("association", items, "uid", lambda raw: raw.decode("ascii", "strict").strip("1")),
        ("association", pdu, "_no_id_twice", lambda ids: ids[1]),
        ("association", user_information, "count", lambda field: field),
        ("association", negotiation, "_judged", lambda proposed, answer: answer),
        ("reader", reader, "COPIED_MAXIMUM", "none"),
        ("reader", reader, "HEADERS", 11),
        ("reader", writer.Writer, "_begin", lambda *its: None),
        ("reader", reader.Reader, "discard", lambda self: None),
        ("reader", reader.Fragments, "ended", property(lambda self: bool(self.control & 2))),
        ("reader", reader.Reader, "is_empty", property(lambda self: self._at == len(self._data))),
        ("command", command, "NO_DATASET", 0x0102),
        ("command", command, "_refuse_repeats", lambda data: None),
        ("command", command, "evened", lambda value, padding: value),
        ("command", elements, "group_length", lambda size: elements.GROUP_LENGTH.to_bytes(12)),
        ("messages", messages.Assembler, "_is_other", lambda self, fragments: False),
        ("messages", messages.Assembler, "between_messages", True),
        ("upperlayer", upperlayer.UpperLayer, "_breach", lambda self, error: None),
        ("upperlayer", pdu.Abort, "encode", lambda self: b"\7"),
        ("upperlayer", pdu.ReleaseRP, "encode", lambda self: b"\6"),
        ("dataset", dataset, "DEEPEST", 63),
        ("dataset", dataset, "_NESTING", (b"", b"SQ", b"OB", b"OW")),
        ("dataset", dataset, "_IMPLICIT", dataset._EXPLICIT),
        ("dataset", dataset.Peek, "_is_item_due", False),
        ("dataset", dataset.Peek, "end", lambda self: None),
        ("configuration", bindings, "limits", lambda upstream: 1 / 0),
    ],
)
def test_what_is_wrong_is_found(monkeypatch, name, place, what, wrong):
    monkeypatch.setattr(place, what, wrong)
    assert finds(name)


def test_the_short_way_of_the_reader_is_held_to_the_plain_one(monkeypatch):
    short = reader.Reader._alike

    def longer(self):
        found = short(self)
        return found and attrs.evolve(found, longest=found.longest + 1)

    monkeypatch.setattr(reader.Reader, "_alike", longer)
    assert finds("reader")


def test_a_mistake_that_hides_another_is_found(monkeypatch):
    def first_only(text, folder):
        try:
            return parse(text, folder)
        except ConfigurationError as error:
            raise ConfigurationError(error.mistakes[:1]) from None

    monkeypatch.setattr("tests.fuzz.configuration.parse", first_only)
    with pytest.raises(AssertionError):
        configuration.check((CORPUS / "configuration/mistakes.toml").read_bytes())


def test_a_mistake_of_more_than_one_line_is_found(monkeypatch):
    def fails(text, folder) -> Configuration:
        raise ConfigurationError([Mistake("a\nb", "nothing", "something")])

    monkeypatch.setattr("tests.fuzz.configuration.parse", fails)
    with pytest.raises(AssertionError):
        configuration.check(b"")
