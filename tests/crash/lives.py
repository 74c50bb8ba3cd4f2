"""Lives of a house that end at the n-th durable operation; `-m tests.crash.lives FOLDER PORT`.

Each life is a fork of this process: the real daemon, two files dropped into its spool, one that
changes something (it appends to a ledger) and one that looks. At operation n it is killed, or the
operation fails; the next life takes up what is left. Prints one JSON object per n.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.crash.power import Power, leave_out_sync

from housecarl import config_file
from housecarl.clock import SystemClock
from housecarl.daemon import Daemon
from housecarl.journal import Database, replies
from housecarl.judge import Case
from housecarl.logs import set_up
from housecarl.record import Done, Record
from housecarl.spool import Spool, State

#: Messages that are filed before their outcome is written: only with that barrier left out.
LATE: dict[str, Callable[[], object]] = {}

#: Seconds a life may take; a healthy one takes a tenth of it.
PATIENCE = 20.0

MODULE = '''
"""A change that leaves a trace, and a look."""
import os

from housecarl import Call, Reply, Risk, command


@command(risk=Risk.CHANGE)
async def mark(call: Call) -> Reply:
    """Append to the ledger."""
    fd = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, b"mark\\n")
    os.fsync(fd)
    os.close(fd)
    return Reply("marked.")


@command()
async def peek(call: Call) -> Reply:
    """Look."""
    return Reply("peeked.")
'''

CONFIG = """
house: Elm Street
spool: spool
people: {{ann: {{addresses: [{address}], may: ["*"], unix: [{login}]}}}}
doors: {{drop: {{}}}}
modules: {{folders: [modules]}}
post: {{host: 127.0.0.1, port: {port}, tls: none, from: house@home.example}}
"""


class Fate:
    """Counts durable operations and strikes at the n-th; `sticky` strikes ever after too."""

    def __init__(self, at: int | None, error: int, sticky: bool) -> None:
        self.at, self.error, self.sticky, self.count = at, error, sticky, 0
        self.power: Power | None = None

    def tick(self) -> None:
        self.count += 1
        if self.at is None or self.count < self.at:
            return
        if not self.error:
            if self.power is not None:
                self.power.cut()
            os.kill(os.getpid(), signal.SIGKILL)
        if self.count == self.at or self.sticky:
            raise OSError(self.error, os.strerror(self.error))

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def struck(*args: Any, **named: Any) -> Any:
            self.tick()
            return function(*args, **named)

        return struck


def curse(fate: Fate, omit: str, daemon: Daemon) -> None:
    """Put fate before every durable operation of this process; leave out one barrier if asked."""
    for name in ("fsync", "rename", "unlink"):
        setattr(os, name, fate.wrap(getattr(os, name)))
    commit = Database._commit

    def struck(self: Database, conn: Any, group: Any) -> None:
        if not fate.error:
            fate.tick()
        commit(self, conn, group)
        if not fate.error:
            fate.tick()

    Database._commit = struck  # type: ignore[method-assign]
    if omit == "accept":
        leave_out_sync()
    if omit == "claim":
        leave_out_claim()
    if omit == "result":
        leave_out_result(daemon)


def leave_out_claim() -> None:
    """A change begins with no word about it in the journal."""

    async def unclaimed(*_: Any) -> None:
        return None

    Record.claim = unclaimed  # type: ignore[assignment,method-assign]


def leave_out_result(daemon: Daemon) -> None:
    """A message is filed first, and its outcome and reply are committed after that."""
    conclude, move = Record.conclude, Spool._move

    async def later(self: Record, case: Case, file: str, done: Done) -> tuple[State, None]:
        loop = asyncio.get_running_loop()

        async def write() -> None:
            _, reply = await conclude(self, case, file, done)
            if daemon.house is not None:
                daemon.house.send(reply)

        LATE[file] = lambda: asyncio.run_coroutine_threadsafe(write(), loop).result(PATIENCE)
        return State.EXECUTED, None

    def moved(self: Spool, name: str, source: State, target: State) -> None:
        move(self, name, source, target)
        if target is State.EXECUTED and name in LATE:
            LATE[name]()
            del LATE[name]

    Record.conclude = later  # type: ignore[assignment,method-assign]
    Spool._move = moved  # type: ignore[method-assign]


def prepare(folder: Path, port: int, address: str) -> None:
    """A house of its own, with two files dropped into its spool."""
    import pwd

    login = pwd.getpwuid(os.getuid()).pw_name
    (folder / "modules").mkdir(parents=True)
    (folder / "modules" / "marks.py").write_text(MODULE)
    config = CONFIG.format(address=address, login=login, port=port)
    (folder / "housecarl.yaml").write_text(config)
    (folder / "spool").mkdir()
    for name, text in (("a", "!mark\n"), ("b", "!peek\n")):
        path = folder / "spool" / name
        path.write_text(text)
        os.utime(path, (1e9, 1e9))


async def live(daemon: Daemon, folder: Path) -> None:
    """Serve until everything that was dropped is carried out, answered and filed."""
    running = asyncio.create_task(daemon.run())
    async with asyncio.timeout(PATIENCE):
        while not await _over(daemon, folder):
            if running.done():
                break
            await asyncio.sleep(0.005)
    daemon.stop()
    await running


async def _over(daemon: Daemon, folder: Path) -> bool:
    house = daemon.house
    if house is None or not daemon.ready.is_set():
        return False
    spool = folder / "spool"
    left = [path for path in spool.iterdir() if path.is_file()]
    left += [p for state in ("new", "work") for p in (spool / state).glob("*.eml")]
    if left or LATE:
        return False
    waiting, _, _ = await house.db.read(replies.count_waiting)
    return waiting == 0


def run_life(folder: Path, fate: Fate, omit: str, power: bool = False) -> int:
    """One life in a process of its own; its wait status."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.environ["LEDGER"] = str(folder / "ledger")
        try:
            set_up("critical")
            if power:
                fate.power = Power(folder / "spool")
                fate.power.follow()
            daemon = Daemon(config_file.load(folder / "housecarl.yaml"), SystemClock())
            curse(fate, omit, daemon)
            asyncio.run(live(daemon, folder))
        except BaseException as error:  # noqa: BLE001 - a child reports and leaves
            print(f"life ended: {error!r}", file=sys.stderr)  # noqa: T201 - for whoever reads the test
            os._exit(3)
        os._exit(0)
    return os.waitpid(pid, 0)[1]


def books(folder: Path) -> dict[str, Any]:
    """What can be seen from outside after the last life."""
    spool = folder / "spool"
    ledger = folder / "ledger"
    states: dict[str, int] = {}
    for path in spool.rglob("*.eml"):
        state = path.relative_to(spool).parts[0]
        states[state] = states.get(state, 0) + 1
    left = [path.name for path in spool.iterdir() if path.is_file()]
    marks = ledger.read_text().count("mark") if ledger.exists() else 0
    return {"marks": marks, "states": states, "left": left}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--error", choices=["", "EIO", "ENOSPC"], default="")
    parser.add_argument("--sticky", action="store_true")
    parser.add_argument("--omit", choices=["", "accept", "claim", "result"], default="")
    parser.add_argument("--power", action="store_true", help="a power cut instead of a kill")
    parser.add_argument("--again", type=int, default=0, help="also kill the recovery at this one")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--most", type=int, default=1000)
    options = parser.parse_args()
    error = getattr(errno, options.error) if options.error else 0
    for n in range(options.first, options.most, options.step):
        folder = options.folder / str(n)
        prepare(folder, options.port, f"ann{n}@example.org")
        struck = run_life(folder, Fate(n, error, options.sticky), options.omit, options.power)
        if options.again:
            run_life(folder, Fate(options.again, 0, False), options.omit)
        last = run_life(folder, Fate(None, 0, False), options.omit)
        told = {"n": n, "struck": struck, "last": last, **books(folder)}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        if struck == 0 and not error:
            return


if __name__ == "__main__":
    main()
