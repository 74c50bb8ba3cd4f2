"""`run`: the daemon in the foreground."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import click

from housecarl.cli import tell
from housecarl.errors import HousecarlError

if TYPE_CHECKING:
    from housecarl.config_file import Loaded

#: Seconds that what a module has left behind has to end when the daemon does.
END_SECONDS = 2.0

#: Threads for work that would block the loop, each made when all others are busy. Python's own
#: number, a few more than there are processors, is one that modules whose calls hang soon hold up,
#: and with it the doors and the post; the unit allows 128 tasks in all.
THREADS = 64


@click.command("run")
@click.pass_context
def verb(ctx: click.Context) -> None:
    """Run the daemon in the foreground until SIGTERM; SIGHUP reads the configuration again."""
    asked_early: list[int] = []
    signal.signal(signal.SIGHUP, lambda number, _: asked_early.append(number))  # else it ends us
    from housecarl import heap

    heap.begin()  # before all that is imported
    heap.bound()
    from housecarl import config_file
    from housecarl.clock import SystemClock
    from housecarl.daemon import Daemon
    from housecarl.logs import set_up
    from housecarl.thread import Pool

    set_up(ctx.meta["housecarl.level"])
    given: Path | None = ctx.obj
    heap.keep()
    # absolute: a module may change the folder that a reload would find it from
    loaded = config_file.load(config_file.find(given).absolute())
    heap.forget("phonenumbers")  # a MiB of numbering plans that only a configuration needs
    _refuse_foreign(loaded)
    daemon = Daemon(loaded, SystemClock())
    threads = Pool(THREADS, "asyncio")

    async def serve() -> None:
        daemon.handle_signals()
        if asked_early:
            daemon.reload()
        running = asyncio.create_task(daemon.run())
        ready = asyncio.create_task(daemon.ready.wait())
        await asyncio.wait((running, ready), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        heap.settle()
        try:
            await running
        finally:
            await _end_others(running.exception(), threads)

    _turn(serve(), threads)


def _turn(serving: Coroutine[None, None, None], threads: ThreadPoolExecutor) -> None:
    """Turn the loop until the daemon has ended.

    SystemExit out of a task or a timer of a module's own would end it: asyncio lets it through, and
    what a task was to give to a module is then still given to it, as its fault.
    """
    from structlog import get_logger

    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        loop.set_default_executor(threads)
        task = loop.create_task(serving)
        while True:
            try:
                return loop.run_until_complete(task)
            except (SystemExit, KeyboardInterrupt):  # SIGINT comes as a signal, and stops
                if task.done():
                    raise
                get_logger().exception("exit-refused")


async def _end_others(error: BaseException | None, threads: ThreadPoolExecutor) -> None:
    """End what a module has left behind; what will not be ended ends with the process.

    Python would wait for it for ever, and `error` would not be told.
    """
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    late = (await asyncio.wait(others, timeout=END_SECONDS))[1] if others else set()
    threads.shutdown(wait=False, cancel_futures=True)
    stuck = _stuck()
    if late or stuck:
        from structlog import get_logger

        names = sorted(task.get_name() for task in late)
        get_logger().error("ended-with-the-process", tasks=names, threads=stuck)
        os._exit(tell(error) if isinstance(error, HousecarlError) else int(error is not None))


def _stuck() -> list[str]:
    """The threads that do not end and for which the interpreter would wait; blocks."""
    until = time.monotonic() + END_SECONDS
    others = [each for each in threading.enumerate() if not each.daemon]
    others.remove(threading.main_thread())
    for other in others:
        other.join(max(0.0, until - time.monotonic()))
    return sorted(other.name for other in others if other.is_alive())


def _refuse_foreign(loaded: Loaded) -> None:
    """A spool of another user: root would leave files that its owner cannot open, others may not.

    Nor may we what root made in our own. To try again would be in vain.
    """
    from housecarl.errors import NotAllowed

    spool, config, login = loaded.config.spool, loaded.source.path, os.geteuid()
    if not spool.is_dir():
        if login == 0 and (start := _of_the_service(config)):
            raise NotAllowed(f"the spool {spool} is the service's to make: {start}")
        return
    owner = spool.stat().st_uid
    if owner == login:
        _refuse_closed(spool, login)
        return
    if login != 0 and all(map(_may, (spool, spool / ".journal"))):
        return  # its owner lets us
    from housecarl.doctor.access import user

    how = f"run it as {user(owner)}"
    if login != 0:
        how += f", or give it away: chown -R {user(login)} {spool}"
    how = _of_the_service(config) or how
    raise NotAllowed(f"the spool {spool} is {user(owner)}'s: {how}")


def _of_the_service(config: Path) -> str:
    """The command that starts what systemd is to run; "" when it is not, or has started us."""
    from housecarl import service

    by_hand = service.is_installed(config) and "NOTIFY_SOCKET" not in os.environ
    return service.start(config) if by_hand else ""


def _refuse_closed(spool: Path, login: int) -> None:
    """Parts of our own spool that somebody else made, such as root from a backup."""
    from housecarl.journal import JOURNAL
    from housecarl.spool import FOLDERS

    inside = [spool / name for name in (*FOLDERS, JOURNAL)]
    closed = [path for path in inside if not _may(path) and path.stat().st_uid != login]
    if not closed:
        return
    from housecarl.doctor.access import user
    from housecarl.errors import NotAllowed

    other, places = user(closed[0].stat().st_uid), " ".join(map(str, closed))
    raise NotAllowed(f"{closed[0]} is {other}'s; as root: chown -R {user(login)} {places}")


def _may(path: Path) -> bool:
    """Whether this login may use a folder or file, if it is there."""
    if not os.path.exists(path):  # noqa: PTH110 - pathlib's form raises where one may not look
        return True
    return os.access(path, os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0))
