"""The cases: what they say can be measured."""

from __future__ import annotations

import pytest

from benchmarks.cases import CASES
from benchmarks.dataset import STUDY
from benchmarks.processes import Door
from benchmarks.result import Result, Round
from benchmarks.wanted import verdicts
from benchmarks.ways.relay import OurRelay
from benchmarks.ways.way import Stage
from relay.config import reading
from tests.interop.pki import Pki

each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def result(case, contender):
    """A round that took a second of everything."""
    batch = contender.batch(case.batch)
    return Result(contender.name, batch, [Round(1.0, 1.0, 1.0, 1.0)], 1, [1.0], [1.0])


@each_case
def test_contenders_have_names_of_their_own(case):
    names = [each.name for each in case.contenders]
    assert len(set(names)) == len(names)


@each_case
def test_what_is_wanted_is_wanted_of_contenders(case):
    results = [result(case, each) for each in case.contenders]
    assert None not in [each.met for each in verdicts(case.wanted, results)]


@each_case
def test_no_object_is_sent_twice_to_anybody_who_would_mind(case):
    assert case.batch.count <= STUDY


@each_case
def test_the_relay_takes_its_configurations(case, tmp_path):
    pki = Pki.write(tmp_path)
    for each in case.contenders:
        if isinstance(each.kind, OurRelay):
            associations = each.batch(case.batch).associations
            stage = Stage(tmp_path, pki, dict.fromkeys(Door, 104), associations)
            listener = '[[listener]]\nendpoint = "tcp:port=104"'
            path = tmp_path / "relay.toml"
            path.write_text("\n".join((listener, *each.kind.toml(stage))))
            limits = reading.load(path)
            assert limits.relay.max_associations >= associations
            assert all(up.max_associations >= associations for up in limits.upstreams.values())
