"""Measure the relay beside what people use instead, all in one run, and print a table.

CPU is user and system time of the process in the middle alone. Sender and archive cost next to
nothing, and the bytes of every way are compared before it is measured.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.cases import CASES, Bench, WrongBytes
from benchmarks.gauge import gauge
from benchmarks.processes import ArchiveProcess, sending
from benchmarks.table import table
from benchmarks.versions import versions
from benchmarks.ways import left_out
from tests.interop.pki import Pki


def main() -> None:
    """Run what the command line asks for; exit status 1 where any byte was wrong."""
    asked = _arguments()
    print(*versions(), sep="\n")
    for name in left_out():
        print(f"left out: {name} is not installed (apt-get install {name})")
    with TemporaryDirectory() as name, sending() as sender:
        pki = Pki.write(Path(name))
        with ArchiveProcess(pki) as archive:
            bench = Bench(Path(name), pki, sender, archive)
            for case in (CASES[name] for name in asked.cases or CASES):
                print("", table(case, bench.measure(case, asked.rounds)), sep="\n")
                if case.one_way:
                    print(f"  {gauge(case.one_way)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}")
    parser.add_argument("--rounds", type=int, default=5, help="how often each way is measured")
    asked = parser.parse_args()
    if unknown := set(asked.cases) - CASES.keys():
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    return asked


if __name__ == "__main__":
    try:
        main()
    except WrongBytes as wrong:
        sys.exit(str(wrong))
