"""Lives of a house that end at the n-th durable operation; `-m tests.crash.lives FOLDER PORT`.

Each life is a fork of this process: the real daemon, two files dropped into its spool, one that
changes something (it appends to a ledger) and one that looks. At operation n it is killed, and the
next life takes up what is left; or the operation fails, and with `--lasts` every other too until
the fault is gone: the same life has to finish then. Prints one JSON object per n.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.crash.fate import LATE, Fate, curse
from tests.crash.power import Power

from housecarl import config_file
from housecarl.clock import SystemClock
from housecarl.daemon import Daemon
from housecarl.errors import StorageError
from housecarl.journal import replies
from housecarl.logs import set_up
from housecarl.testing.inbox import Inbox

#: Seconds a life may take; a healthy one takes a tenth of it.
PATIENCE = 20.0

#: How a life can end, as an exit code: whole and never struck, broken, struck and whole again, or
#: at the very start with the storage at fault, which whoever started it does again.
WHOLE, BROKEN, MENDED, STORAGE = 0, 3, 4, 75

#: What an operation can fail with.
ERRORS = ("EIO", "ENOSPC", "EROFS", "EMFILE")

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
    try:
        waiting, _ = await house.db.read(replies.count_waiting)
    except StorageError:
        return False
    return waiting == 0


def run_life(folder: Path, fate: Fate, omit: str, power: bool = False) -> int:
    """One life in a process of its own; its exit code, negative for the signal that ended it."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.environ["LEDGER"] = str(folder / "ledger")
        code, daemon = BROKEN, None
        try:
            set_up("critical")
            if power:
                fate.power = Power(folder / "spool")
                fate.power.follow()
            daemon = Daemon(config_file.load(folder / "housecarl.yaml"), SystemClock())
            curse(fate, omit, daemon)
            asyncio.run(live(daemon, folder))
            code = MENDED if fate.failed else WHOLE
        except BaseException as error:  # noqa: BLE001 - a child reports and leaves
            if isinstance(error, StorageError) and daemon and not daemon.ready.is_set():
                code = STORAGE
            print(f"life ended: {error!r}", file=sys.stderr)  # noqa: T201 - for whoever reads the test
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


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


def run(folder: Path, inbox: Inbox, *options: str) -> list[dict[str, Any]]:
    """The lives of this file in a process of their own: one object for each operation."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.lives", folder, str(inbox.port), *options],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def violations(life: dict[str, Any], inbox: Inbox) -> list[str]:
    """What is not as it was promised, seen from outside, after the lives at one operation."""
    found = []
    got = inbox.to(f"ann{life['n']}@example.org")
    identities = {each.mail["Message-ID"] for each in got}
    told = {each.text.splitlines()[0] for each in got}
    if life["last"] != WHOLE:
        found.append("the last life did not end well")
    if BROKEN in (life["struck"], life["again"]):
        found.append("the life that was struck did not end well")
    if life["struck"] == MENDED and (left := _left_over(life["alone"])):
        found.append(f"left over once the fault was gone: {left}")
    if life["marks"] > 1:
        found.append(f"a change ran {life['marks']} times")
    if len(identities) != 2:
        found.append(f"{len(identities)} different replies to 2 messages")
    if "peeked." not in told:
        found.append("a look was not answered")
    interrupted = any("interrupted" in text for text in told)
    failed = any("failed" in text for text in told)  # the module's own write met the fault
    if life["marks"] == 1 and not ("marked." in told or interrupted or failed):
        found.append("a change was done and not told")
    if life["marks"] == 0 and "marked." in told:
        found.append("a change was told and not done")
    if "marked." in told and interrupted:
        found.append("two different stories")
    if left := _left_over(life):
        found.append(f"left over: {left}")
    return [f"at {life['n']}: {text}" for text in found]


def _left_over(seen: dict[str, Any]) -> str:
    """What of a life's books is not in its last folder, or is not there."""
    states = seen["states"]
    whole = states.get("executed") == 2 and not states.keys() - {"executed", "refused"}
    return "" if whole and not seen["left"] else f"{seen['left']} {states}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--error", choices=["", *ERRORS], default="")
    parser.add_argument("--lasts", type=float, default=0.0, help="seconds until the fault is gone")
    parser.add_argument("--omit", choices=["", "accept", "claim", "result"], default="")
    parser.add_argument("--power", action="store_true", help="a power cut instead of a kill")
    parser.add_argument("--again", type=int, default=0, help="strike the recovery at this one")
    parser.add_argument("--then", choices=["", *ERRORS], default="", help="... with this error")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--most", type=int, default=1000)
    options = parser.parse_args()
    error, then = (getattr(errno, name, 0) for name in (options.error, options.then))
    for n in range(options.first, options.most, options.step):
        folder = options.folder / str(n)
        prepare(folder, options.port, f"ann{n}@example.org")
        fate = Fate(n, error, options.lasts)
        struck = run_life(folder, fate, options.omit, options.power)
        alone, again = books(folder), WHOLE
        if options.again:
            again = run_life(folder, Fate(options.again, then, options.lasts), options.omit)
        last = run_life(folder, Fate(None), options.omit)
        told = {"n": n, "struck": struck, "alone": alone, "again": again, "last": last}
        told |= books(folder)
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        if struck == WHOLE:
            return


if __name__ == "__main__":
    main()
