"""Fuzzes targets by atheris: `python -m tests.fuzz reader --seconds 1200`; without names, all.

Each runs in a process of its own, two at a time, for so many seconds of CPU. New inputs that reach
further are kept in `.fuzz/TARGET`, to begin with the next time; so is what breaks a target, by the
name of TARGET-crash-... or TARGET-oom-..., and then the exit status is 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.fuzz.targets import NAMES

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".fuzz"


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--seconds", type=int, default=60, help="of CPU, for each (default: 60)")
    parser.add_argument("--at-a-time", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--keep", type=Path, default=KEPT, help="a folder (default: .fuzz)")
    its = parser.parse_args()
    if unknown := set(its.targets) - set(NAMES):
        parser.error(f"no target: {', '.join(sorted(unknown))}")
    with ThreadPoolExecutor(its.at_a_time) as pool:
        done = list(pool.map(partial(run, its.keep, its.seconds), its.targets or NAMES))
    return int(any(done))


def run(keep: Path, seconds: int, name: str) -> int:
    """Fuzz one target; the exit status of its process. What it says is in `keep/TARGET.log`."""
    keep.mkdir(parents=True, exist_ok=True)
    log = keep / f"{name}.log"
    with log.open("ab") as out:
        command = [sys.executable, "-m", "tests.fuzz.run", name, str(keep), str(seconds)]
        status = subprocess.run(command, cwd=ROOT, stdout=out, stderr=out, check=False).returncode
    said = log.read_text("utf-8", "replace").splitlines()
    sys.stdout.write("\n".join(said[-1:] if not status else said[-60:]) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
