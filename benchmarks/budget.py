"""Where the time of one message goes: `python -m benchmarks.budget`.

A whole house in this process, its smarthost in another; one message after another is handed to it
as the SMTP door would, and each step of the way is timed where it stands. Prints the median of each
step, in microseconds, and what the steps leave over: the loop, and threads that wake one another.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import logging
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sized
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from benchmarks import line

from housecarl import config_file, judge, perform, spool
from housecarl.admit import Admission
from housecarl.clock import SystemClock
from housecarl.envelope import Envelopes
from housecarl.house import House
from housecarl.journal import JOURNAL, database
from housecarl.lock import Lock
from housecarl.message.stamp import Stamp
from housecarl.outbox import Outbox
from housecarl.post.handover import Handover
from housecarl.record import Record
from housecarl.spool import Spool
from housecarl.trust import Trust

#: A smarthost in a process of its own that says "arrived" on its output for each mail.
SINK = """
import asyncio, sys
from benchmarks import line
class Tell:
    def put_nowait(self, item): print("arrived", flush=True)
line.Sink.arrived = Tell()
async def main():
    loop, port = asyncio.get_running_loop(), int(sys.argv[1])
    server = await loop.create_server(line.Sink, "127.0.0.1", port)
    await asyncio.to_thread(sys.stdin.read)
asyncio.run(main())
"""

#: Each step: how it is called here, how far it stands in another, and where it is in the program.
STEPS: tuple[tuple[str, int, Any, str], ...] = (
    ("put: the sender hears 250 after it", 0, Spool, "put"),
    ("  write the file and sync it (thread)", 1, spool, "write_new"),
    ("  sync the folder (thread)", 1, spool, "sync_folder"),
    ("judge", 0, judge.Judge, "judge"),
    ("  form: read once, the judge finds it", 1, judge, "gate"),
    ("  verify", 1, Trust, "verify"),
    ("admit: what only the journal knows", 0, Admission, "admit"),
    ("perform: the command itself", 0, perform.Performer, "perform"),
    ("  execute", 1, perform, "execute"),
    ("conclude: outcome and reply", 0, Record, "conclude"),
    ("  render and seal the reply", 1, Envelopes, "seal"),
    ("  one transaction and its sync (thread)", 1, database.Database, "_commit"),
    ("    its statements", 2, database, "_run_together"),
    ("      queue the reply", 3, Outbox, "queue"),
    ("hand in at the smarthost, two round trips", 0, Handover, "hand_in"),
)

#: Steps that other writes take too: they count when a reply was queued in them.
OF_A_REPLY = ("  one transaction and its sync (thread)", "    its statements")

Taken = dict[str, list[float]]


def timed(place: Any, name: str, taken: list[float], within: Sized | None = None) -> None:
    """Time every call of one function of a class or module from now on.

    With `within`, the times of a step, only calls in which that step was taken count.
    """
    real: Callable[..., Any] = getattr(place, name)

    @functools.wraps(real)
    def called(*args: Any, **named: Any) -> Any:
        began, before = time.perf_counter(), len(within or ())
        try:
            return real(*args, **named)
        finally:
            if within is None or len(within) > before:
                taken.append(time.perf_counter() - began)

    @functools.wraps(real)
    async def awaited(*args: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return await real(*args, **named)
        finally:
            taken.append(time.perf_counter() - began)

    setattr(place, name, awaited if asyncio.iscoroutinefunction(real) else called)


async def carry(folder: Path, count: int, pause: float) -> tuple[Taken, list[float]]:
    """Hand in messages one by one: seconds of each step, and from hand-in to the smarthost."""
    port, taken, whole = line.free_port(), defaultdict[str, list[float]](list), list[float]()
    for title, _, place, name in STEPS:
        within = taken["      queue the reply"] if title in OF_A_REPLY else None
        timed(place, name, taken[title], within)
    sink = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SINK, str(port)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert sink.stdout is not None and sink.stdin is not None
    await line.greeted(port, sink)
    loaded = config_file.load(line.write_house(folder, line.free_port(), port))
    house = House(loaded, SystemClock())
    lock = Lock((loaded.config.spool / JOURNAL).parent)
    await house.open(lock)
    try:
        for n in range(count):
            await asyncio.sleep(pause)
            head = (
                f"From: ann@example.org\r\nTo: {line.TO}\r\nSubject: x\r\n"
                f"Message-ID: <{n}.{time.time_ns()}@example.org>\r\n\r\n"
            )
            stamp = Stamp(
                "smtp",
                datetime.now(UTC),
                peer="127.0.0.1",
                tls="TLSv1.3",
                login="ann",
                rcpt_to=line.TO,
            )
            began = time.perf_counter()
            await house.deliver((head + line.BODY).encode(), stamp)
            await sink.stdout.readline()
            whole.append(time.perf_counter() - began)
    finally:
        await house.close()
        lock.release()
        sink.stdin.close()
        await sink.wait()
    return taken, whole


def main(count: int, pause: float) -> None:
    """Measure, and print the table."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory() as folder:
        taken, whole = asyncio.run(carry(Path(folder), count, pause))
    left = total = statistics.median(whole) * 1e6
    print(f"{'step':52} {'us, median':>10}")
    for title, depth, _, _ in STEPS:
        each = statistics.median(taken[title]) * 1e6 if taken[title] else 0.0
        left -= each if depth == 0 else 0.0
        print(f"{title:52} {each:10.0f}")
    print(f"{'the loop, waking, the smarthost':52} {left:10.0f}")
    print(f"{'from hand-in to the smarthost':52} {total:10.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between two messages")
    options = parser.parse_args()
    main(options.count, options.pause)
