"""The house struck again and again, and its books balanced: `python -m benchmarks.crash`.

    --rounds N   `housecarl run` killed with -9 at random moments under SMTP load (the default)
    --stops N    the same by SIGTERM, which has to end well
    --power N    the same on a disk whose power is cut (root and loop devices)
    --faults N   every N-th call of spool and SQLite fails, once and for ever (gcc)
    --errors N   the same in process, at every N-th durable operation
    --kills N    in process, killed at every N-th operation, and its recovery struck at every N-th

What was acknowledged is answered, no change runs twice, a reply has one Message-ID; 1 if not so.
"""

from __future__ import annotations

import argparse
import errno
import itertools
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from tests.crash.cuts import Cuts
from tests.crash.faulty import Faulty
from tests.crash.lives import WHOLE, run, violations
from tests.crash.loop_disk import loop_disk
from tests.crash.rounds import Rounds, smarthost
from tests.crash.stops import Stops

from housecarl.testing.inbox import Inbox

#: Kills when nothing is asked for.
ROUNDS = 1000

#: Seconds a fault lasts in process, where a house tries again after 20 ms.
LASTS = "0.15"

#: Operations of a recovery at the most.
RECOVERY = 24

#: What else a failing disk does, or has before it.
MORE = {"": "", "reads": ", reads too", "dirty": ", after a kill"}

Found = tuple[list[tuple[str, int]], list[str]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many strikes, or each how many operations one; by which seed; the time to end by."""

    count: int
    seed: int
    until: float

    @property
    def steps(self) -> Iterator[int]:
        """The operations to strike, until it is time."""
        for n in itertools.count(1 + self.seed % self.count, self.count):
            if time.monotonic() > self.until:
                return
            yield n


def strike(rounds: Rounds, inbox: Inbox, bounds: Bounds) -> Found:
    """Kill or cut that often."""
    with closing(rounds):
        rounds.run(bounds.count, bounds.until)
    rows = [
        ("strikes", rounds.kills),
        ("messages acknowledged", len(rounds.acknowledged)),
        ("replies received", len(inbox.received)),
        ("told as interrupted", sum("interrupted" in each.text for each in inbox.received)),
    ]
    return rows, rounds.violations


def kill(folder: Path, inbox: Inbox, bounds: Bounds) -> Found:
    """Kill the real daemon."""
    return strike(Rounds(folder, inbox, bounds.seed, folder / "spool"), inbox, bounds)


def stop(folder: Path, inbox: Inbox, bounds: Bounds) -> Found:
    """Tell the real daemon to stop."""
    stops = Stops(folder, inbox, bounds.seed)
    rows, found = strike(stops, inbox, bounds)
    milliseconds = sorted(round(each * 1000) for each in stops.seconds)
    rows += [
        ("before it was born", stops.unborn),
        ("ms to stop, median", milliseconds[len(milliseconds) // 2]),
        ("ms to stop, the longest", milliseconds[-1]),
    ]
    return rows, found


def cut(folder: Path, inbox: Inbox, bounds: Bounds) -> Found:
    """Cut the power below the real daemon."""
    with loop_disk(folder) as disk:
        return strike(Cuts(folder, inbox, bounds.seed, disk), inbox, bounds)


def fail(folder: Path, inbox: Inbox, bounds: Bounds) -> Found:
    """Let the calls of the real daemon fail, each life at one of them."""
    both, rest = (False, True), (errno.EROFS, errno.EMFILE)
    ways = [(e, always, "") for e in (errno.EIO, errno.ENOSPC) for always in both]
    ways += [(errno.EIO, always, more) for more in ("reads", "dirty") for always in both]
    ways += [(e, True, "") for e in rest]
    rows: list[tuple[str, int]] = []
    with closing(Faulty(folder, inbox)) as faulty:
        for error, always, more in ways:
            before, now = faulty.lives, time.monotonic()
            share = (bounds.until - now) / (len(ways) - len(rows))
            for n in replace(bounds, until=now + share).steps:
                told = {more: True} if more else {}
                if not faulty.live(n, error, always=always, **told) or faulty.violations:
                    break
            which = f"{errno.errorcode[error]}{MORE[more]}"
            rows.append((f"{which}, {'for ever' if always else 'once'}", faulty.lives - before))
            if faulty.violations:
                break
        rows.append(("messages answered", faulty.answered))
        return rows, faulty.violations


def fail_in_process(folder: Path, inbox: Inbox, bounds: Bounds) -> Found:
    """Let the operations fail, each life at one of them."""
    rows: list[tuple[str, int]] = []
    found: list[str] = []
    for error, lasts in itertools.product(("EIO", "ENOSPC"), ("0", LASTS)):
        name = f"{error}, {'once' if lasts == '0' else 'for ever'}"
        first, step = str(1 + bounds.seed % bounds.count), str(bounds.count)
        options = ("--error", error, "--lasts", lasts, "--step", step, "--first", first)
        ends = run(folder / name, inbox, *options)
        rows.append((name, sum(life["struck"] != WHOLE for life in ends)))
        found += [f"{name} {text}" for life in ends for text in violations(life, inbox)]
        inbox.received.clear()
    return rows, found


def kill_in_process(folder: Path, inbox: Inbox, bounds: Bounds) -> Found:
    """Kill at each operation; then with its recovery killed, or failing, at each of its own."""
    killed, failed, found = 0, 0, []
    step = bounds.count
    for again, then in itertools.product(range(0, RECOVERY, step), ("", "EIO")):
        if time.monotonic() > bounds.until:
            break
        options = ("--again", str(again), "--step", str(step), "--lasts", LASTS)
        name = f"again {again} {then}".rstrip()
        ends = run(folder / name, inbox, *options, "--then", then)
        codes = [code for life in ends for code in (life["struck"], life["again"])]
        killed += sum(code < 0 for code in codes)
        failed += sum(code > 0 for code in codes)
        found += [f"{name} {text}" for life in ends for text in violations(life, inbox)]
        inbox.received.clear()
    return [("lives killed", killed), ("recoveries that failed", failed)], found


FORMS: dict[str, Callable[[Path, Inbox, Bounds], Found]] = {
    "rounds": kill,
    "stops": stop,
    "power": cut,
    "faults": fail,
    "errors": fail_in_process,
    "kills": kill_in_process,
}


def main() -> int:
    """Run what is asked for and print a table for each; 1 when anything was not as promised."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    for name in FORMS:
        parser.add_argument(f"--{name}", type=int, metavar="N")
    parser.add_argument("--seconds", type=float, default=math.inf, help="of each form at the most")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    options = parser.parse_args()
    asked = {name: n for name in FORMS if (n := getattr(options, name))} or {"rounds": ROUNDS}
    wrong = False
    for name, count in asked.items():
        began = time.monotonic()
        bounds = Bounds(count, options.seed, began + options.seconds)
        with tempfile.TemporaryDirectory() as folder, smarthost() as inbox:
            rows, found = FORMS[name](Path(folder), inbox, bounds)
        seconds = round(time.monotonic() - began)
        print(f"{name} {count}, seed {options.seed}")
        for what, value in [*rows, ("violations", len(found)), ("seconds", seconds)]:
            print(f"  {what:24} {value}")
        print("".join(f"  {text}\n" for text in found), end="")
        wrong = wrong or bool(found)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
