"""Look for what the whole relay gets wrong between two hostile banks, for as long as one likes.

    python -m tests.bad_inputs.hunt --seconds 60

Seconds are those of the processor. What is found is shown as the steps that lead to it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from typing import ClassVar

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.bad_inputs.test_machine import HOW, Hostilities

ROUND = settings(HOW, max_examples=500, stateful_step_count=100, database=None, print_blob=True)


class Counted(Hostilities):
    """Counts what came of it, too: a hunt in which nothing was stored looked at nothing."""

    counts: ClassVar[Counter[str]] = Counter()

    def teardown(self) -> None:
        super().teardown()
        self.counts["examples"] += 1
        self.counts["calls"] += len(self.callers)
        self.counts["requests"] += self.messages
        self.counts["answers"] += sum(len(each.finals) for each in self.callers)
        self.counts["objects delivered"] += sum(len(each.delivered) for each in self.banks.values())


def hunt(seconds: float) -> None:
    """Go on for so long; raises what Hypothesis raises when it has found something."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        run_state_machine_as_test(Counted, settings=ROUND)
        counted = ", ".join(f"{number} {what}" for what, number in Counted.counts.items())
        sys.stdout.write(f"{seconds - until + time.process_time():.0f} s: {counted}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    hunt(parser.parse_args().seconds)
