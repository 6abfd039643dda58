"""docs/states.md, made from the table itself; test_state.py holds the file to it.

python -m tests.wire.states_page > docs/states.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from enum import Enum

from relay.wire.state import EFFECTS, TABLE, Action, Event, Machine, State

INTRODUCTION = """\
# The states of an association

Made from `relay/wire/state.py` by `python -m tests.wire.states_page > docs/states.md`; a test fails
where the two differ. It is table 9-10 of PS3.8 with the actions of tables 9-6 to 9-9.

- An empty cell cannot happen to a provider that is used correctly, whatever the peer does.
- AE-6 always goes to Sta3: whether a request is acceptable is judged by the local user, who refuses
  it with Evt8 (AE-8).
- AR-8 goes to Sta9 where this side opened the association, to Sta10 where the peer did. An answer
  that the user gives in Sta10 is kept until Evt13 has come, and sent then.
- AA-1 says A-ABORT (0,0) for what comes before an association, and what the local user asked for
  otherwise; AA-7 and AA-8 say (2,reason). In the middle of an outgoing PDU none can be said: the
  transport is dropped instead.
- P-DATA behind an A-RELEASE-RQ of the peer's own is answered with A-ABORT (2,2) whenever it comes.
  In Sta8 that is AA-8. In Sta13, once the release was agreed to (AR-4), the table has AA-6, ignore,
  and this provider does AA-7 instead (upperlayer.py). Before it agrees, all that came in one read
  with the request is looked at. In Sta7, where this side asked, data is as welcome as ever (AR-6).
- A timer that an action starts is started first of all.
"""


def words(member: Enum) -> str:
    """A member's name as it is read."""
    return member.name.lower().replace("_", " ")


def label(action: Action) -> str:
    """The name of an action as the standard writes it."""
    return action.name.replace("_", "-")


def successors(event: Event, state: State) -> list[State]:
    """Where a cell leads, for the side that opened the association and for the other."""
    found: dict[State, None] = {}
    for is_requestor in (True, False):
        machine = Machine(is_requestor, state)
        machine.on(event)
        found[machine.state] = None
    return list(found)


def cell(event: Event, state: State) -> str:
    """Action and next state, or nothing."""
    if state not in TABLE[event]:
        return ""
    action, _ = TABLE[event][state]
    return f"{label(action)} {' or '.join(each.value for each in successors(event, state))}"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """The lines of a Markdown table."""
    first = list(head)
    for row in (first, ["---"] * len(first), *rows):
        yield f"| {' | '.join(row)} |"


def page() -> str:
    """The whole page."""
    cells = ([event.value, *(cell(event, state) for state in State)] for event in Event)
    effects = ((label(each), ", ".join(map(words, EFFECTS[each])) or "nothing") for each in Action)
    lines = [
        INTRODUCTION,
        "## States\n",
        *table(["", "state"], ((each.value, f"`{each.name}`") for each in State)),
        "\n## Events\n",
        *table(["", "event"], ((each.value, f"`{each.name}`") for each in Event)),
        "\n## Actions\n",
        *table(["", "effects, in this order"], effects),
        "\n## The table\n",
        *table(["", *(each.value for each in State)], cells),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
