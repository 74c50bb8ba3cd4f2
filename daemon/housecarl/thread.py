"""A thread for work that may never end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


async def in_thread(work: Callable[[], T], limit: float) -> T:
    """Do some work in a thread that nobody waits for when it takes longer than `limit` seconds.

    A thread of the loop's own pool that hangs would keep the daemon from ending.
    """
    return await asyncio.wait_for(_apart(work), limit)


async def once(
    asked: dict[K, asyncio.Future[T]], key: K, work: Callable[[], T], limit: float
) -> T | None:
    """What some work for a key found; None while it hangs longer than `limit` seconds.

    Kept in `asked`; one that hangs is not begun again beside it, as each would hold a thread.
    """
    future = asked.get(key)
    if future is None or future.done():
        future = asked[key] = _apart(work)
    await asyncio.wait((future,), timeout=limit)
    return future.result() if future.done() else None


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

    threading.Thread(target=run, name="aside", daemon=True).start()
    return done
