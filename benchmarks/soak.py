"""Months of a busy house in minutes: `python -m benchmarks.soak`.

The real daemon with a clock that is moved (`benchmarks.soak_house`), real SMTP both ways: people
who text, strangers, commands for later, dropped files. Prints a line for each simulated month;
exit code 1 when it grew, slowed down, or left something over.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.soak_life import Life
from benchmarks.soak_month import Month

#: What a house of years may grow by: MiB of memory from the first month to the last.
GROWTH_MIB = 5.0

#: How much slower the last month may be than the first, each beside a bare server in that month.
SLOWER = 1.15

#: Messages a month from which on a median says something.
ENOUGH = 1000

#: Open files, and threads, that there may be more of at the end than after the first month: a pool
#: begins another thread when all of its own are busy.
MORE = 2

HEAD = (
    "month  messages   RSS   grown  workers  fds  threads  p50 ms  p99 ms  bare ms  wake-ups  "
    "journal  wal  executed  refused  sweep s"
)


def line(month: Month, first: Month) -> str:
    """One month as it is printed."""
    return (
        f"{month.n:5} {month.messages:9,} {month.rss:5.1f} {month.rss - first.rss:+7.2f} "
        f"{month.workers:8} {month.fds:4} {month.threads:8} {month.p50:7.2f} {month.p99:7.2f} "
        f"{month.bare:8.2f} {month.wakeups:9,} {month.journal:8.1f} {month.wal:4.1f} "
        f"{month.files['executed']:9,} {month.files['refused']:8,} {month.sweep:8.3f}"
    )


def faults(months: list[Month], problems: list[str], left: list[str]) -> Iterator[str]:
    """What was not as it should be."""
    first, last = months[0], months[-1]
    if last.rss - first.rss >= GROWTH_MIB:
        yield f"memory grew by {last.rss - first.rss:.1f} MiB"
    if first.messages >= ENOUGH and last.p50 / last.bare > first.p50 / first.bare * SLOWER:
        yield (
            f"p50 rose from {first.p50:.2f} to {last.p50:.2f} ms, "
            f"that of a bare server from {first.bare:.2f} to {last.bare:.2f}"
        )
    if last.fds > first.fds + MORE or last.threads > first.threads + MORE:
        yield f"open files {first.fds} -> {last.fds}, threads {first.threads} -> {last.threads}"
    if left:
        yield f"left over: {left[:10]}"
    yield from problems[:30]


async def main(messages: int, months: int, folder: Path, trace: bool) -> int:
    """Live through it and judge."""
    done: list[Month] = []
    print(HEAD)
    async with Life(folder, trace=trace) as life:
        for n in range(1, months + 1):
            done.append(await life.month(n, messages // months))
            print(line(done[-1], done[0]), flush=True)
            for each in await life.held() if trace else ():
                print(f"      {each}")
        left = await life.rest()
    wrong = list(faults(done, life.problems, left))
    for text in wrong:
        print(text)
    print("not as it should be" if wrong else "as it should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--months", type=int, default=8)
    parser.add_argument("--trace", action="store_true", help="say by line what memory grew by")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        sys.exit(asyncio.run(main(options.messages, options.months, Path(place), options.trace)))
