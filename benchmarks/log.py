"""`housecarl log` beside a journal of many entries: `python -m benchmarks.log`.

Fills a journal with a million messages of four people, then times the whole process of each verb
on it and on a journal of ten messages; the difference is what the size costs.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from housecarl.journal.database import connect

PEOPLE = ("ann", "bo", "cy", "dot")
VERBS = (
    ("log", "--person", "ann"),
    ("log", "--person", "ann", "--since", "2d"),
    ("log", "--person", "ann", "--failed"),
    ("log", "--failed"),
    ("log",),
    ("status",),
)
#: Rounds of each verb; the median counts.
ROUNDS = 15
#: Seconds between two messages: a million of them are two years of a busy house.
APART = 60.0


def write_house(folder: Path) -> Path:
    """A configuration with four people."""
    people = "\n".join(f"  {name}: {{unix: [{name}], may: ['*']}}" for name in PEOPLE)
    path = folder / "housecarl.yaml"
    path.write_text(f"house: Elm Street\nspool: spool\npeople:\n{people}\n")
    return path


def receipts(count: int) -> Iterator[tuple[object, ...]]:
    """Messages, newest last; nothing of them failed."""
    now = time.time()
    for n in range(count):
        identity = f"{(n * 0x9E3779B97F4A7C15) % 2**64:016x}"
        person = PEOPLE[n % len(PEOPLE)]
        yield identity, f"x-{identity}.eml", now - (count - n) * APART, "smtp", "mail", person


def fill(folder: Path, count: int) -> None:
    """A journal of `count` messages, each with one run."""
    journal = folder / "spool" / ".journal"
    journal.mkdir(parents=True)
    conn = connect(journal / "journal.sqlite")
    conn.execute("BEGIN")
    conn.executemany(
        "INSERT INTO receipts (id, file, arrived, door, kind, person, proof, verdict, calls, state)"
        " VALUES (?, ?, ?, ?, ?, ?, 'signed', 'run', '[[\"uptime\"]]', 'executed')",
        receipts(count),
    )
    conn.execute(
        "INSERT INTO runs (receipt, n, command, words, person, risk, started, ended, outcome, text)"
        " SELECT id, 0, 'uptime', '[\"uptime\"]', person, 'look', arrived, arrived, 'done',"
        " 'Elm Street up 12 d 4 h, load 0.10, mem 34%, disk 60%.' FROM receipts"
    )
    conn.execute("COMMIT")
    conn.close()


def timed(config: Path, verb: tuple[str, ...]) -> float:
    """Milliseconds of the whole process, once."""
    command = [str(Path(sys.executable).with_name("housecarl")), "-c", str(config), *verb]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    if done.returncode > 1:  # 1: `status` has something to say
        raise RuntimeError(done.stderr.decode())
    return (time.perf_counter() - began) * 1000


def main(count: int, rounds: int) -> None:
    """Print one line for each verb; both journals take turns, so that a busy moment hits both."""
    with tempfile.TemporaryDirectory() as few, tempfile.TemporaryDirectory() as many:
        for folder, size in ((few, 10), (many, count)):
            fill(Path(folder), size)
        small, large = write_house(Path(few)), write_house(Path(many))
        print(f"{'verb':36} {'10':>9} {count:>9,}   difference, ms")
        for verb in VERBS:
            taken = [(timed(small, verb), timed(large, verb)) for _ in range(rounds)]
            before, after = (statistics.median(each) for each in zip(*taken, strict=True))
            print(f"{' '.join(verb):36} {before:9.0f} {after:9.0f} {after - before:+12.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each verb on both")
    options = parser.parse_args()
    main(options.count, options.rounds)
