"""The real daemon with a clock that is moved: `python -m benchmarks.soak_house CONFIG DNS`.

Reads one request a line and answers each with a line of JSON. `move SECONDS`: time passes, whatever
waits for a moment of it happens at that moment; old messages and entries are swept once a day.
`held`: what Python holds more than when it was asked last, by line (with PYTHONTRACEMALLOC=1).
It ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

from housecarl import config_file, heap
from housecarl.daemon import Daemon
from housecarl.house import House
from housecarl.logs import set_up
from housecarl.testing.clock import FakeClock
from housecarl.trust import Answers

#: When the simulated months begin.
START = datetime(2026, 3, 1, tzinfo=UTC)

#: Lines of `held`.
LINES = 25


class Keeper:
    """Moves the clock of a daemon and looks after what hangs on it."""

    def __init__(self, daemon: Daemon, clock: FakeClock) -> None:
        self.daemon = daemon
        self.clock = clock
        self.sweep_seconds: list[float] = []
        self._before: tracemalloc.Snapshot | None = None

    @property
    def house(self) -> House:
        """What is behind the doors."""
        assert self.daemon.house is not None
        return self.daemon.house

    async def move(self, seconds: float) -> float:
        """Let time pass; the time then, in seconds since 1970."""
        until = self.clock.now() + timedelta(seconds=seconds)
        while (due := self.clock.next) is not None and due <= until:
            await self._pass(due)
        await self._pass(until)
        return until.timestamp()

    async def _pass(self, when: datetime) -> None:
        """Be there, and wait until what that woke is done."""
        before = self.clock.now()
        self.clock.set(when)
        for _ in range(10):
            await asyncio.sleep(0)
        await self.house.db.read(lambda conn: None)  # the clockwork asked before us
        await asyncio.sleep(0)
        await self.house.worker.idle()
        if when.date() != before.date():
            began = time.perf_counter()
            await self.house.sweeper.sweep()
            self.sweep_seconds.append(time.perf_counter() - began)

    def held(self) -> list[str]:
        """What grew since the last look."""
        now = tracemalloc.take_snapshot()
        before, self._before = self._before, now
        if before is None:
            return []
        grown = now.compare_to(before, "lineno")
        return [str(each) for each in grown[:LINES]]


async def serve(config: Path, dns: Path) -> None:
    """Run the daemon and answer until the input ends."""
    clock = FakeClock(START)
    daemon = Daemon(config_file.load(config), clock, Answers.load(dns))
    keeper = Keeper(daemon, clock)
    running = asyncio.create_task(daemon.run())
    ready = asyncio.create_task(daemon.ready.wait())
    await asyncio.wait((running, ready), return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    heap.settle()
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    say({"now": clock.now().timestamp()})
    while not running.done() and (line := await reader.readline()):
        word, *rest = line.decode().split()
        if word == "move":
            say({"now": await keeper.move(float(rest[0])), "swept": keeper.sweep_seconds})
            keeper.sweep_seconds.clear()
        else:
            say(keeper.held())
    daemon.stop()
    await running


def say(answer: object) -> None:
    """One line of JSON."""
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    heap.bound()
    set_up("warning")
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
