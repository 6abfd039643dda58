"""A keeper within an allowance: no more than that, and what is asked for is given back."""

from __future__ import annotations

from typing import Any

import attrs

from relay.upstream.allowance import Holder, Whole
from relay.upstream.limits import Limits
from tests.upstream.rig import KeeperCase, Rig


@attrs.define(eq=False)
class Portion:
    """An allowance that is set by hand; what the keeper wanted when it last said so."""

    most: int = 1
    is_due: bool = False
    wanted: int = 0
    held: int = 0
    holder: Any = None

    def hold(self, holder: Holder) -> None:
        self.holder = holder

    def tend(self) -> None:
        self.wanted, self.held = self.holder.wanted, self.holder.held


class Allowed(KeeperCase):
    limits = Limits(maximum=3, max_idle=3, idle_timeout=30.0)

    def setUp(self) -> None:
        super().setUp()
        self.portion = Portion()
        self.rig = Rig(self.limits, allowance=self.portion)
        self.network, self.archive = self.rig.network, self.rig.archive
        self.keeper = self.rig.keeper

    def test_no_more_are_opened_than_it_has_and_what_is_wanted_is_said(self):
        self.rig.lease()
        self.rig.ask()
        self.network.settle()
        self.assertKeeps("0 opening, 0 idle, 1 leased, 1 waiting")
        self.assertEqual((self.portion.held, self.portion.wanted), (1, 2))

    def test_no_more_is_wanted_than_the_upstream_bears(self):
        for _ in range(5):
            self.rig.ask()
        self.network.settle()
        self.assertEqual(self.portion.wanted, 3)

    def test_with_a_larger_one_those_who_wait_are_served(self):
        self.rig.lease()
        self.rig.ask()
        self.portion.most = 2
        self.keeper.look_again()
        self.network.settle()
        self.assertKeeps("0 opening, 0 idle, 2 leased, 0 waiting")
        self.assertEqual(self.portion.wanted, 2)

    def test_without_any_nothing_is_opened_not_even_to_see_whether_it_lives(self):
        self.portion.most = 0
        self.rig.ask()
        self.network.settle()
        self.assertEqual(self.archive.most, 0)
        self.assertEqual(self.portion.wanted, 1)

    def test_what_rests_is_let_go_and_counts_until_it_is_closed(self):
        self.rig.give_back(self.rig.lease())
        self.assertTrue(self.keeper.let_go())
        self.assertEqual(self.keeper.held, 1)
        self.assertTrue(self.keeper.let_go())
        self.network.settle()
        self.assertEqual((self.keeper.held, self.portion.held), (0, 0))

    def test_what_is_in_use_is_not_let_go(self):
        self.rig.lease()
        self.assertFalse(self.keeper.let_go())

    def test_what_is_due_is_released_by_its_user_though_others_wait(self):
        association = self.rig.lease()
        self.rig.ask()
        self.portion.is_due, self.portion.most = True, 0
        self.rig.give_back(association)
        self.assertKeeps("0 opening, 0 idle, 0 leased, 1 waiting")
        self.assertEqual((self.portion.held, self.portion.wanted), (0, 1))

    def test_an_upstream_that_is_being_taken_out_wants_nothing(self):
        self.rig.lease()
        self.rig.ask()
        self.keeper.drain()
        self.network.settle()
        self.keeper.look_again()
        self.assertEqual(self.portion.wanted, 1)


def test_whoever_is_alone_has_all_that_the_upstream_bears():
    whole = Whole(4)
    whole.tend()
    assert (whole.most, whole.is_due) == (4, False)
