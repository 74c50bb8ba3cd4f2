"""Threads: a pool for short work, and one of its own for work that may never end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

T = TypeVar("T")

#: seconds until a thread for which there was no room is tried again
ROOM_SECONDS = 0.1

#: what is under way under each key; a future belongs to one loop
_begun: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, asyncio.Future[Any]]] = (
    WeakKeyDictionary()
)

#: the same for who waits without a loop
_waited_for: dict[Hashable, Future[Any]] = {}


class Pool(ThreadPoolExecutor):
    """Threads that are made as they are needed; without room for one more, those there are do.

    Python's own then raises what no message is to blame for, and does the work all the same.
    """

    def _adjust_thread_count(self) -> None:
        try:
            super()._adjust_thread_count()
        except RuntimeError:  # a module has started as many as there may be (TasksMax)
            if not self._threads:
                raise


async def in_thread(work: Callable[[], T], limit: float) -> T:
    """Do some work in a thread that nobody waits for when it takes longer than `limit` seconds.

    A thread of the loop's own pool that hangs would keep the daemon from ending.
    """
    begun = _apart(work)
    try:
        return await _result(begun, limit)
    finally:
        if not begun.cancel():
            begun.exception()  # a cancel may have come with the end, and asyncio would log it


async def in_one_thread(key: Hashable, work: Callable[[], T], limit: float) -> T:
    """As `in_thread`; what hangs is not begun again beside it, as each would hold a thread.

    Who asks meanwhile under the same key waits for the same.
    """
    begun = _begun.setdefault(asyncio.get_running_loop(), {})
    if key not in begun:

        def over(done: asyncio.Future[Any]) -> None:
            del begun[key]
            done.exception()  # nobody may wait any more, and asyncio would log it as forgotten

        begun[key] = _apart(work)
        begun[key].add_done_callback(over)
    return cast("T", await _result(begun[key], limit))


def within(key: Hashable, work: Callable[[], T], limit: float) -> T:
    """As `in_one_thread`, for who has no loop, or is in a thread already: blocks for that long."""
    return aside(key, work).result(limit)


def aside(key: Hashable, work: Callable[[], T]) -> Future[T]:
    """Begin some work in a thread of its own; under a key that is at work already, that work."""
    done: Future[Any] = Future()
    if (begun := _waited_for.setdefault(key, done)) is done:

        def run() -> None:
            try:
                try:
                    result = work()
                finally:
                    del _waited_for[key]  # first: who asks from now on gets an answer of his own
            except BaseException as error:  # noqa: BLE001  raised again where it is waited for
                done.set_exception(error)
            else:
                done.set_result(result)

        try:
            threading.Thread(target=run, name="aside", daemon=True).start()
        except RuntimeError:  # a module has left no room for one (TasksMax)
            run()
    return begun


async def _result(begun: asyncio.Future[T], limit: float) -> T:
    """What comes of it within `limit` seconds; it goes on when that is over, or nobody waits.

    3.11's wait_for forgets a cancel that comes with the end, its timeout takes its own end for a
    cancel that came before, as in the clean-up of a command that was cut off.
    """
    await asyncio.wait((begun,), timeout=limit)
    if not begun.done():
        raise TimeoutError
    return begun.result()


def _apart(work: Callable[[], T]) -> asyncio.Future[T]:
    """Begin some work in a thread of its own, for which not even the daemon's end waits."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(cast("T", result))

    def run() -> None:
        result, fault = None, None
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  raised again where it is awaited
            fault = error
        try:
            loop.call_soon_threadsafe(settle, result, fault)
        except RuntimeError:
            pass  # the loop ended meanwhile

    def begin() -> None:
        if done.done():
            return  # nobody waits any more
        try:
            threading.Thread(target=run, name="aside", daemon=True).start()
        except RuntimeError:  # a module has left no room for one (TasksMax); its time will be over
            loop.call_later(ROOM_SECONDS, begin)

    begin()
    return done
