"""What work may cost, in seconds of CPU, told alike on a slow machine and on a fast one."""

from __future__ import annotations

import gc
import re
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

#: seconds of CPU that the yardstick takes on the machine where the limits were found, alone
YARDSTICK = 0.0065

_WORDS = re.compile(r"(\w+)=(\w+);")
_TEXT = "dkim=pass;" * 10_000


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Fail when what is done inside costs more: a machine that is slow just now is given more.

    No garbage is collected meanwhile, for that of the other tests would be paid here.
    """
    collects = gc.isenabled()
    gc.disable()
    began = time.process_time()
    try:
        yield
        taken = time.process_time() - began
    finally:
        if collects:
            gc.enable()
    if taken > seconds:
        slowness = max(1.0, statistics.median(_yardstick() for _ in range(9)) / YARDSTICK)
        assert taken <= seconds * slowness, (
            f"{taken:.3f} s of CPU, {slowness:.1f} times slower than usual; {seconds} s are allowed"
        )


def _yardstick() -> float:
    """Seconds for some work like what is measured: a pattern, words, a dictionary."""
    began = time.process_time()
    counts: dict[str, int] = {}
    for found in _WORDS.finditer(_TEXT):
        word = found[1].lower() + found[2]
        counts[word] = counts.get(word, 0) + len(found[0])
    return time.process_time() - began
