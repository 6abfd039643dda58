"""Measure the relay beside what people use instead, all in one run, and print a table.

CPU is user and system time of the process in the middle alone. Sender and archive cost next to
nothing, and the bytes of every way are compared before it is measured.
"""

from __future__ import annotations

import argparse
import resource
import shlex
import sys
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.bench import Bench, WrongBytes
from benchmarks.case import Case
from benchmarks.cases import CASES
from benchmarks.gauge import gauge
from benchmarks.processes import ArchiveProcess
from benchmarks.record import Run, written
from benchmarks.sending import sending
from benchmarks.table import table
from benchmarks.versions import versions
from tests.interop.pki import Pki

PICTURE = "ratios.svg"


def main() -> None:
    """Run what the command line asks for; exit status 1 where any byte was wrong."""
    asked = _arguments()
    _open_many_files()
    cases = {name: CASES[name] for name in asked.cases or CASES}
    run = Run(
        datetime.now(UTC).date().isoformat(),
        shlex.join(("python", "-m", "benchmarks", *sys.argv[1:])),
        asked.rounds,
        list(versions()),
        left_out(cases.values()),
    )
    print(*run.versions, *run.left_out, sep="\n", flush=True)
    _measure(run, cases, set(asked.way) or None)
    if asked.json:
        asked.json.write_text(written(run))
    if asked.write:
        _write(run, asked.write)


def _write(run: Run, folder: Path) -> None:
    """Put the figures into a folder for readers: a page, a picture, and JSON."""
    from benchmarks import page, picture

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(written(run))
    picture.draw(run, folder / PICTURE)
    page.write(run, folder / "README.md", PICTURE)


def _measure(run: Run, cases: Mapping[str, Case], names: set[str] | None) -> None:
    with TemporaryDirectory() as name, sending() as sender:
        pki = Pki.write(Path(name))
        with ArchiveProcess(pki) as archive:
            bench = Bench(Path(name), pki, sender, archive, names)
            for each, case in cases.items():
                began = time.monotonic()
                run.cases[each] = case, bench.measure(case, run.rounds)
                print("", table(*run.cases[each]), sep="\n", flush=True)
                if case.one_way:
                    print(f"  {gauge(case.one_way)}")
                print(f"  in {time.monotonic() - began:.0f} s, {each}", flush=True)


def left_out(cases: Iterable[Case]) -> list[str]:
    """Who is not measured, and what is not installed."""
    contenders = {each.name: each for case in cases for each in case.contenders}
    missing = {name: each.kind.missing() for name, each in contenders.items()}
    return [f"left out: {name}, {what} is not installed" for name, what in missing.items() if what]


def _open_many_files() -> None:
    """Have a thousand associations fit: as many files as the system lets us open, and children."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}")
    parser.add_argument("--rounds", type=int, default=5, help="how often each way is measured")
    parser.add_argument(
        "--way", action="append", default=[], metavar="NAME", help="this one, and others so named"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="have all figures there")
    parser.add_argument(
        "--write", type=Path, metavar="FOLDER", help="have a page, a picture and JSON there"
    )
    asked = parser.parse_args()
    if asked.write and not find_spec("matplotlib"):
        parser.error("--write needs matplotlib: pip install -e '.[bench]'")
    if unknown := set(asked.cases) - CASES.keys():
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    names = {each.name for case in CASES.values() for each in case.contenders}
    if unknown := set(asked.way) - names:
        parser.error(f"no such way: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return asked


if __name__ == "__main__":
    try:
        main()
    except WrongBytes as wrong:
        sys.exit(str(wrong))
