"""Who gets which upstream association: the rules hold whatever is asked for and is there."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.policy.leasing import Reuse
from relay.policy.showing import Titles
from relay.upstream.pool import (
    HandOut,
    Key,
    Kind,
    Member,
    Open,
    Phase,
    Request,
    Retire,
    Step,
    assign,
    lacking,
    rests,
    surplus,
)
from relay.wire.negotiation import Context

CT, MR, ECHO = (Context(name, "1.2.840.10008.1.2") for name in ("ct", "mr", "echo"))
KEY = Key(Titles(b"MODALITY".ljust(16)))
OTHER_KEY = Key(Titles(b"OTHER".ljust(16)))
PRIVATE_KEY = Key(KEY.titles, private=7)

keys = st.sampled_from([KEY, OTHER_KEY, PRIVATE_KEY])
contexts = st.frozensets(st.sampled_from([CT, MR, ECHO]))
requests = st.lists(st.builds(Request, keys, contexts, st.booleans(), st.booleans()), max_size=8)
members = st.lists(
    st.builds(Member, keys, st.sampled_from(Phase), contexts, st.integers(0, 5).map(float)),
    max_size=8,
)
maxima = st.integers(1, 8)
kinds = st.lists(
    st.builds(Kind, keys.filter(lambda key: key.private is None), contexts), max_size=4
)


def idle(*held: Context, since: float = 0.0, key: Key = KEY) -> Member:
    return Member(key, Phase.IDLE, frozenset(held), since)


def leased(*held: Context) -> Member:
    return Member(KEY, Phase.LEASED, frozenset(held))


def wants(*needed: Context, key: Key = KEY, exactly: bool = False, fresh: bool = False) -> Request:
    return Request(key, frozenset(needed), exactly, fresh)


def served(steps: Sequence[Step]) -> list[Request]:
    return [step.request for step in steps if not isinstance(step, Retire)]


def used(steps: Sequence[Step]) -> list[Member]:
    return [step.member for step in steps if not isinstance(step, Open)]


# whatever is asked for


@given(requests, members, maxima)
def test_there_are_never_more_than_the_maximum(waiting, there, maximum):
    steps = assign(waiting, there, maximum)
    total = len(there)
    for step in steps:
        total += isinstance(step, Open) - isinstance(step, Retire)
        assert total <= max(maximum, len(there))


@given(requests, members, maxima)
def test_only_what_is_idle_and_suits_is_handed_out(waiting, there, maximum):
    for step in assign(waiting, there, maximum):
        if isinstance(step, HandOut):
            assert step.member in there
            assert step.member.phase is Phase.IDLE
            assert step.member.key == step.request.key
            assert not step.request.fresh
            assert step.request.is_met_by(step.member.contexts)


@given(requests, members, maxima)
def test_only_what_is_idle_is_retired(waiting, there, maximum):
    for step in assign(waiting, there, maximum):
        if isinstance(step, Retire):
            assert step.member in there
            assert step.member.phase is Phase.IDLE


@given(requests, members, maxima)
def test_an_association_is_given_to_one_request_or_retired_once(waiting, there, maximum):
    chosen = used(assign(waiting, there, maximum))
    assert len({id(each) for each in chosen}) == len(chosen)


@given(requests, members, maxima)
def test_the_first_requests_are_served_each_once_and_in_their_order(waiting, there, maximum):
    steps = assign(waiting, there, maximum)
    assert served(steps) == waiting[: len(served(steps))]


@given(requests, members, maxima)
def test_a_request_waits_only_when_all_are_at_work_for_others(waiting, there, maximum):
    steps = assign(waiting, there, maximum)
    if len(served(steps)) == len(waiting):
        return
    opened = sum(isinstance(step, Open) for step in steps)
    retired = sum(isinstance(step, Retire) for step in steps)
    assert len(there) + opened - retired >= maximum
    assert {id(each) for each in there if each.phase is Phase.IDLE} == set(map(id, used(steps)))


@given(requests, members, maxima)
def test_nothing_is_opened_while_something_idle_suits(waiting, there, maximum):
    steps = assign(waiting, there, maximum)
    unused = [each for each in there if each not in used(steps)]
    for step in steps:
        if isinstance(step, Open):
            assert not any(step.request.suits(each) for each in unused)


@given(requests, members, maxima)
def test_nothing_is_retired_while_there_is_room(waiting, there, maximum):
    if any(isinstance(step, Retire) for step in assign(waiting, there, maximum)):
        opened = sum(isinstance(step, Open) for step in assign(waiting, there, maximum))
        assert len(there) + opened > maximum


@given(requests, members, maxima)
def test_assigning_changes_nothing_itself(waiting, there, maximum):
    before = [attrs.astuple(each, recurse=False) for each in (*waiting, *there)]
    assign(waiting, there, maximum)
    assert [attrs.astuple(each, recurse=False) for each in (*waiting, *there)] == before


@given(requests, members, maxima, st.sets(st.integers(0, 7)))
def test_for_a_request_that_one_is_being_opened_for_no_other_is_opened(
    waiting, there, maximum, called
):
    served_already = [each for place, each in enumerate(waiting) if place in called]
    for step in assign(waiting, there, maximum, served_already):
        if isinstance(step, Open):
            assert step.request not in served_already


@given(requests, members, maxima, st.sets(st.integers(0, 7)))
def test_nobody_is_passed_over_but_by_one_that_it_cannot_use(waiting, there, maximum, called):
    served_already = [each for place, each in enumerate(waiting) if place in called]
    steps = assign(waiting, there, maximum, served_already)
    for step in steps:
        if isinstance(step, HandOut):
            before = waiting[: waiting.index(step.request)]
            overtaken = [each for each in before if each not in served(steps)]
            assert not any(each.suits(step.member) for each in overtaken)
            # Those who wait for nothing that is on its way are not passed over at all.
            assert all(each in served_already for each in overtaken)


@given(requests, members, maxima)
def test_nobody_starves_where_leases_end(waiting, there, maximum):
    # Each round carries the steps out, and then every lease ends. There may be more than the
    # maximum, which was lowered.
    pool = [attrs.evolve(each, phase=Phase.IDLE) for each in there]
    line, rounds = list(waiting), 0
    while line:
        rounds += 1
        assert rounds <= len(waiting) + 1, "a request was passed over for ever"
        for step in assign(line, pool, maximum):
            if isinstance(step, Retire):
                pool.remove(step.member)
            elif isinstance(step, Open):
                pool.append(Member(step.request.key, Phase.IDLE, step.request.contexts))
                line.remove(step.request)
            else:
                line.remove(step.request)


# what it looks like


def test_an_idle_association_with_the_context_is_handed_out():
    request, member = wants(CT), idle(CT, MR)
    assert assign([request], [member], 4) == [HandOut(request, member)]


def test_for_all_contexts_an_association_with_more_does_not_do():
    request = wants(CT, MR, exactly=True)
    assert assign([request], [idle(CT, MR, ECHO)], 4) == [Open(request)]
    assert assign([request], [member := idle(CT, MR)], 4) == [HandOut(request, member)]


def test_who_wants_the_answer_to_an_offer_gets_a_new_association():
    request = wants(fresh=True)
    assert assign([request], [idle(CT)], 4) == [Open(request)]


def test_what_is_idle_for_another_ae_title_is_not_handed_out():
    request = wants(CT, key=OTHER_KEY)
    assert assign([request], [idle(CT)], 4) == [Open(request)]


@pytest.mark.parametrize(("mine", "its"), [(KEY, PRIVATE_KEY), (PRIVATE_KEY, KEY)])
def test_what_is_private_is_for_its_crossing_alone(mine, its):
    request = wants(CT, key=mine)
    assert assign([request], [idle(CT, key=its)], 4) == [Open(request)]


def test_of_several_the_one_used_last_is_handed_out():
    older, newest, oldest = idle(CT, since=5.0), idle(CT, since=9.0), idle(CT, since=1.0)
    request = wants(CT)
    assert assign([request], [older, newest, oldest], 4) == [HandOut(request, newest)]


def test_at_the_maximum_the_one_unused_longest_makes_room():
    newer, oldest, request = idle(MR, since=9.0), idle(MR, since=1.0), wants(CT)
    assert assign([request], [newer, oldest], 2) == [Retire(oldest), Open(request)]


def test_where_all_are_at_work_requests_wait():
    assert assign([wants(CT)], [leased(CT), leased(CT)], 2) == []


def test_those_that_are_being_opened_count():
    assert assign([wants(CT)], [Member(KEY)], 1) == []


def test_who_waits_for_an_answer_takes_what_is_idle():
    request, member = wants(CT), idle(CT)
    assert assign([request], [member, Member(KEY)], 2, [request]) == [HandOut(request, member)]


def test_who_came_before_takes_it_first():
    first, second, member = wants(CT), wants(CT), idle(CT)
    steps = assign([first, second], [member, Member(KEY)], 2, [first])
    assert steps == [HandOut(first, member)]


def test_where_there_are_more_than_may_be_as_many_make_room_as_it_takes():
    oldest, older, request = idle(MR, since=1.0), idle(MR, since=2.0), wants(CT)
    assert assign([request], [older, oldest], 1) == [Retire(oldest), Retire(older), Open(request)]


def test_those_that_can_go_go_even_if_they_are_not_enough():
    # Else they would be handed out for ever to who comes behind, and there would never be room.
    member, first, second = idle(MR), wants(CT), wants(MR)
    assert assign([first, second], [leased(CT), member], 1) == [Retire(member)]


# what is opened for nobody yet

CT_KIND, MR_KIND = Kind(KEY, frozenset({CT})), Kind(KEY, frozenset({MR}))


@given(kinds, members, st.integers(0, 8), maxima)
def test_one_is_lacking_only_where_there_are_too_few_and_there_is_room(known, there, warm, maximum):
    kind = lacking(known, there, warm, maximum)
    shared = [each for each in there if each.key.private is None]
    is_wanted = bool(known) and len(shared) < warm and len(there) < maximum
    assert (kind is not None) == is_wanted
    assert kind is None or kind in known


@given(kinds.filter(bool), st.integers(0, 8), maxima)
def test_opening_what_is_lacking_comes_to_an_end(known, warm, maximum):
    there: list[Member] = []
    while (kind := lacking(known, there, warm, maximum)) is not None:
        there.append(Member(kind.key, Phase.IDLE, kind.contexts))
        assert len(there) <= warm
    assert len(there) == min(warm, maximum)


def test_the_likeliest_is_opened_first():
    assert lacking([CT_KIND, MR_KIND], [], 2, 4) == CT_KIND


def test_then_the_one_of_which_there_is_none():
    assert lacking([CT_KIND, MR_KIND], [idle(CT)], 2, 4) == MR_KIND


def test_one_that_holds_more_is_of_that_kind_too():
    assert lacking([CT_KIND, MR_KIND], [idle(CT, MR)], 2, 4) == CT_KIND


def test_one_for_another_ae_title_is_not():
    there = [idle(CT, key=OTHER_KEY), idle(MR)]
    assert lacking([CT_KIND, MR_KIND], there, 3, 4) == CT_KIND


# what may rest


@pytest.mark.parametrize(
    ("reuse", "is_used", "expected"),
    [
        (Reuse.ALWAYS, True, True),
        (Reuse.ALWAYS, False, True),
        (Reuse.CALLER, True, False),
        (Reuse.CALLER, False, True),
        (Reuse.NEVER, True, False),
        (Reuse.NEVER, False, True),
    ],
)
def test_what_has_served_rests_only_where_others_may_use_it(reuse, is_used, expected):
    assert rests(Member(KEY, is_used=is_used), reuse, now=0.0) is expected


def test_what_is_too_old_does_not_rest():
    member = Member(KEY, until=100.0)
    assert rests(member, Reuse.ALWAYS, now=99.9)
    assert not rests(member, Reuse.ALWAYS, now=100.0)


# surplus


@given(members, st.integers(0, 8))
def test_the_surplus_is_idle_and_leaves_as_many_as_may_be(there, most):
    resting = [each for each in there if each.phase is Phase.IDLE]
    beyond = surplus(there, most)
    assert all(each.phase is Phase.IDLE for each in beyond)
    assert len(resting) - len(beyond) == min(len(resting), most)


@given(members, st.integers(0, 8))
def test_the_surplus_was_unused_longer_than_what_stays(there, most):
    beyond = surplus(there, most)
    stay = [each for each in there if each.phase is Phase.IDLE and each not in beyond]
    assert all(gone.since <= kept.since for gone in beyond for kept in stay)
