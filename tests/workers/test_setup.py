"""What a worker is told at its start arrives as it was."""

from __future__ import annotations

from relay.config import parse
from relay.policy.moves import Move
from relay.workers.moving import How
from relay.workers.setup import Setup
from tests.bed import NO_FOLDER, configured

MOVE = Move("CT_1", "WS", 7, "RELAY", frozenset({"PACS"}), 3)


def test_a_configuration_arrives_as_it_was_read():
    text = configured(upstream="warm = 2").replace(
        'upstreams = ["pacs"]', 'upstreams = ["pacs"]\nweights = { "pacs" = 2 }\nbalance = "hash"'
    )
    configuration = parse(text, NO_FOLDER)
    arrived = Setup.decode(Setup(2, configuration, {"pacs": 3}).encode())
    assert arrived.configuration == configuration
    assert (arrived.number, arrived.shares) == (2, {"pacs": 3})


def test_what_stands_for_identities_is_the_same_in_all_logs():
    sent = Setup(1, parse(configured(), NO_FOLDER), log_key=b"key")
    assert Setup.decode(sent.encode()).log_key == b"key"
    assert "key" not in repr(sent).replace("log_key", "").replace("key_file", "")


def test_moves_arrive_with_how_they_are_over():
    configuration = parse(configured(), NO_FOLDER)
    sent = Setup(1, configuration, moves=[(MOVE, None), (MOVE, How.LEFT)])
    arrived = Setup.decode(sent.encode())
    assert [how for _, how in arrived.moves] == [None, How.LEFT]
    assert arrived.moves[0][0].archives == MOVE.archives
