"""One target under atheris, in a process: `python -m tests.fuzz.run TARGET FOLDER SECONDS`.

It ends after so many seconds of CPU, whatever else the machine does, and says in one line how far
it came.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from tempfile import NamedTemporaryFile

import atheris
import attrs

from tests.fuzz.mutating import FRAMES, Mutator
from tests.fuzz.targets import CORPUS, LARGEST

LOOK = 64
"""Inputs between two looks at the clock."""

LONGEST = 30
"""Seconds of CPU that one input may take. libFuzzer's own timer goes by the clock on the wall, and
takes a machine that slept for a target that hangs."""

OPTIONS = (f"-max_len={LARGEST}", "-timeout=86400", "-rss_limit_mb=1024", "-print_final_stats=1")


@attrs.define
class Bounded:
    """A check that ends the process when its CPU time is used up."""

    name: str
    check: Callable[[bytes], None]
    seconds: int
    count: int = 0

    def __call__(self, data: bytes) -> None:
        """Check one input."""
        signal.setitimer(signal.ITIMER_PROF, LONGEST)
        self.check(data)
        self.count += 1
        if self.count % LOOK == 0 and time.process_time() > self.seconds:
            self.end()

    def end(self) -> None:
        """Leave, at once: libFuzzer has no other way out that calls this a success."""
        spent = time.process_time()
        print(f"{self.name}: {self.count} inputs in {spent:.0f} s of CPU, nothing found")  # noqa: T201
        sys.stdout.flush()
        os._exit(0)


def main(name: str, keep: Path, seconds: int) -> None:
    """Never returns."""
    with atheris.instrument_imports(include=["relay"]):
        from tests.fuzz.targets import Target

        target = Target.named(name)
    grown = keep / name
    grown.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", suffix=".dict", delete=False) as words:
        words.write(dictionary(target.words))
    places = [f"-dict={words.name}", f"-artifact_prefix={keep}/{name}-", str(grown)]
    signal.signal(signal.SIGPROF, too_long)
    atheris.Setup(
        [sys.argv[0], *OPTIONS, *places, str(CORPUS / name)],
        Bounded(name, target.check, seconds),
        custom_mutator=partial(mutated, name),
    )
    atheris.Fuzz()


def too_long(number: int, frame: object) -> None:
    """An input takes for ever, or nearly."""
    raise TimeoutError(f"more than {LONGEST} seconds of CPU")


def mutated(name: str, data: bytes, most: int, seed: int) -> bytes:
    """The input changed, as atheris would or within its frame, and of `most` bytes."""
    random = Random(seed)
    if random.randrange(2):
        return bytes(atheris.Mutate(data, most))
    mutator = Mutator(*FRAMES[name], lambda body: bytes(atheris.Mutate(body, most)), random)
    return mutator.mutated(data)[:most]


def dictionary(words: Sequence[bytes]) -> str:
    """The words as libFuzzer reads them."""
    lines = ("".join(f"\\x{octet:02x}" for octet in word) for word in words)
    return "".join(f'"{line}"\n' for line in lines)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
