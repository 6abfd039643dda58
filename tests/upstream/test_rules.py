"""In which order the upstreams of a pool are tried, and for how long each."""

from __future__ import annotations

from functools import partial

import attrs

from relay.bridge.ports import Terms, Unavailable
from relay.policy.affinity import by_operation
from relay.upstream.ends import Unreachable
from relay.upstream.rules import Place, Pool, PoolRules
from tests.logs import LogCase
from tests.peers import accept_all
from tests.upstream.rig import CALLING, CT, TIMEOUT, BankRig
from tests.vectors import item

NAMES = ("a", "b", "c")
REFUSED = Unreachable("connection refused")


class PoolCase(LogCase):
    """A pool of three, whose upstreams are made to look as a test wants them."""

    rules = PoolRules((), TIMEOUT, "round-robin")

    def setUp(self) -> None:
        super().setUp()
        self.rig = BankRig(NAMES, rules=self.rules)
        self.network = self.rig.network
        self.pool: Pool = self.rig.bank.pools["archive"]

    def tearDown(self) -> None:
        for rig in self.rig.rigs.values():
            rig.keeper.stop()
        self.network.wait(120)
        self.assertEqual(self.network.getDelayedCalls(), [])

    def keeper(self, name: str):
        return self.rig.rigs[name].keeper

    def goes_down(self, name: str) -> None:
        """Nobody could reach it."""
        self.keeper(name).condition.not_opened(REFUSED, is_probe=False)

    def is_ejected(self, name: str) -> None:
        """It has failed too often."""
        for _ in range(3):
            self.keeper(name).condition.failed("connection lost")

    def order(self, prefer: str | None = None, *avoid: str) -> str:
        """The names in the order to try them."""
        return "".join(each.name for each, _ in self.pool.tries(CALLING.calling, prefer, avoid))

    def seconds(self) -> dict[str, float]:
        """How long each may take, where each takes it all."""
        seconds = {}
        for keeper, timeout in self.pool.tries(CALLING.calling):
            seconds[keeper.name] = round(timeout, 9)
            self.network.rightNow += timeout
        return seconds


class Order(PoolCase):
    def test_they_have_their_turns(self):
        self.assertEqual([self.order()[0] for _ in range(6)], list("abcabc"))

    def test_the_preferred_one_is_first_and_nobodys_turn(self):
        self.assertEqual(self.order("c")[0], "c")
        self.assertEqual(self.order("b")[0], "b")
        self.assertEqual([self.order()[0] for _ in range(3)], list("abc"))

    def test_where_the_preferred_one_is_out_another_has_its_turn(self):
        self.goes_down("c")
        self.assertEqual([self.order("c") for _ in range(3)], ["abc", "bac", "abc"])

    def test_those_to_avoid_come_behind_the_others(self):
        self.assertEqual(self.order(None, "a", "b")[0], "c")

    def test_one_that_is_out_comes_last_and_is_not_left_out(self):
        self.is_ejected("a")
        self.assertEqual({self.order()[-1] for _ in range(4)}, {"a"})
        self.goes_down("b")
        self.assertEqual({self.order()[-1] for _ in range(4)}, {"b"})

    def test_no_more_are_ejected_than_a_share_of_the_pool(self):
        for name in NAMES:
            self.is_ejected(name)
            self.network.rightNow += 0.1
        self.assertEqual({self.order()[-1] for _ in range(4)}, {"a"})

    def test_one_that_is_taken_out_is_not_tried_at_all(self):
        self.keeper("b").drain()
        self.assertEqual({frozenset(self.order("b")) for _ in range(3)}, {frozenset("ac")})
        for name in "ac":
            self.keeper(name).drain()
        self.assertEqual(self.order(), "")
        self.assertEqual(self.rig.lease(), Unavailable())
        self.assertEqual(self.rig.negotiate(), Unavailable())


class Time(PoolCase):
    def test_the_time_is_shared_out_evenly(self):
        self.assertEqual(list(self.seconds().values()), [round(TIMEOUT / 3, 9)] * 3)

    def test_what_one_leaves_the_others_have(self):
        tries = self.pool.tries(CALLING.calling)
        self.assertEqual(next(tries)[1], TIMEOUT / 3)
        self.network.rightNow += 1
        self.assertEqual(next(tries)[1], (TIMEOUT - 1) / 2)

    def test_one_that_could_not_be_reached_a_moment_ago_has_its_share_after_the_others(self):
        self.goes_down("a")
        seconds = self.seconds()
        self.assertEqual(list(seconds)[-1], "a")
        self.assertEqual(list(seconds.values()), [round(TIMEOUT / 3, 9)] * 3)

    def test_where_none_could_be_reached_each_has_its_share(self):
        for name in NAMES:
            self.goes_down(name)
        self.assertEqual(list(self.seconds().values()), [round(TIMEOUT / 3, 9)] * 3)


class Weighed(PoolCase):
    rules = PoolRules(
        (Place("a", weight=3), Place("b", weight=1)),
        TIMEOUT,
        "round-robin",
        affinity=by_operation,
        aborts=True,
        retries_per_second=0.0,
    )

    def test_turns_are_as_many_as_weights_say(self):
        self.assertEqual(sorted(self.order()[0] for _ in range(8)), list("aaaaaabb"))

    def test_one_that_returns_gets_its_load_by_and_by(self):
        self.goes_down("a")
        self.keeper("a").condition.opened()
        self.assertLess([self.order()[0] for _ in range(8)].count("a"), 4)
        self.network.rightNow += 10.0
        self.assertGreater([self.order()[0] for _ in range(8)].count("a"), 4)

    def test_what_it_grants(self):
        self.assertEqual(self.rig.bank.terms("archive"), Terms(by_operation, aborts=True))
        self.assertIsNone(self.rig.bank.pause_before_retry("archive"))


class Tiers(PoolCase):
    rules = PoolRules((Place("b", tier=1), Place("a", tier=0)), TIMEOUT, "primary-backup")

    def test_the_primary_is_first_while_it_is_well(self):
        self.assertEqual({self.order() for _ in range(4)}, {"ab"})
        self.goes_down("a")
        self.assertEqual({self.order() for _ in range(4)}, {"ba"})


class Loaded(PoolCase):
    rules = PoolRules((Place("a"), Place("b")), TIMEOUT, "least-loaded")

    def test_the_one_with_fewer_operations_is_first(self):
        held = [self.rig.lease(CT) for _ in range(3)]
        fewer = min("ab", key=[each.upstream for each in held].count)
        self.assertEqual({self.order()[0] for _ in range(4)}, {fewer})

    def test_of_as_many_the_one_with_fewer_bytes_and_then_the_quicker_one(self):
        now = self.network.seconds()
        self.keeper("a").condition.health.answered(now, 2.0)
        self.keeper("b").condition.health.answered(now, 1.0)
        self.assertEqual({self.order() for _ in range(4)}, {"ba"})
        association = self.rig.lease(CT, prefer="b")
        self.rig.lease(CT, prefer="a")
        association.outstanding = 1000
        self.assertEqual({self.order() for _ in range(4)}, {"ab"})


class Kin(PoolCase):
    """Where load is balanced, the members of a pool should be doors of one archive."""

    balance = "round-robin"

    def setUp(self) -> None:
        self.rules = attrs.evolve(PoolRules((), TIMEOUT), balance=self.balance)
        super().setUp()

    def shows(self, name: str, uid: bytes, version: bytes | None = None) -> None:
        """What an archive says it is."""
        items = item(0x52, uid) + (item(0x55, version) if version else b"")
        self.rig.archive(name).script.associate = partial(accept_all, user_items=items)

    def ask_all(self) -> None:
        for name in NAMES:
            self.rig.lease(prefer=name)

    def test_members_that_are_alike_are_doors_of_one_archive(self):
        for name in NAMES:
            self.shows(name, b"1.2.3", b"PACS_7")
        self.ask_all()
        self.assertEqual(self.lines("warn"), [])

    def test_members_that_are_not_are_warned_of_once(self):
        for name, its in zip(NAMES, (b"1.2.3", b"1.2.3", b"1.2.4"), strict=True):
            self.shows(name, its)
        self.ask_all()
        self.assertEqual(self.lines("warn"), self.expected)
        self.ask_all()
        self.rig.negotiate()
        self.assertEqual(self.lines("warn"), self.expected)

    def test_another_version_is_another_archive(self):
        self.shows("a", b"1.2.3", b"PACS_7")
        self.shows("b", b"1.2.3", b"PACS_7")
        self.shows("c", b"1.2.3", b"PACS_8")
        self.ask_all()
        self.assertEqual(self.lines("warn"), self.expected)

    def test_what_was_not_seen_yet_says_nothing(self):
        self.shows("a", b"1.2.3")
        self.rig.lease(prefer="a")
        self.assertEqual(self.lines("warn"), [])

    @property
    def expected(self) -> list[str]:
        return [
            "pool archive: upstreams a and c do not seem to be one archive; balance = "
            f'"{self.balance}" scatters studies over both. Use "primary-backup" or "hash"'
        ]


class KinLeastLoaded(Kin):
    balance = "least-loaded"


class Strangers(Kin):
    """Where a caller keeps to one of them, they need not be."""

    balance = "hash"

    @property
    def expected(self) -> list[str]:
        return []


class StrangersInTiers(Strangers):
    balance = "primary-backup"
