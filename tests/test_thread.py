"""Threads: while there is no room for one more, and when nobody waits for their work any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from housecarl.thread import Pool, in_one_thread, in_thread, within


def test_work_is_done_by_the_threads_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message failed for which there was no thread yet, and its work was done all the same."""
    with Pool(4) as pool:
        go = threading.Event()
        first = pool.submit(go.wait, 20)
        monkeypatch.setattr(threading.Thread, "start", full)
        second = pool.submit(lambda: "done")
        go.set()
        assert (first.result(20), second.result(20)) == (True, "done")


def test_without_any_the_work_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", full)
    with Pool(4) as pool, pytest.raises(RuntimeError):
        pool.submit(lambda: "done")


def full(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_what_is_over_is_begun_anew_for_who_asks_again() -> None:
    def fail() -> int:
        raise OSError("gone")

    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            within("key", fail, 20.0)
    assert [within("key", lambda n=n: n, 20.0) for n in (1, 2)] == [1, 2]  # type: ignore[misc]


@pytest.mark.parametrize("begin", [in_thread, partial(in_one_thread, "key")])
async def test_a_stop_that_comes_with_the_end_of_the_work_is_not_forgotten(
    begin: Callable[[Callable[[], None], float], Awaitable[None]],
) -> None:
    """A module went on being read, and the daemon's end waited for it."""
    threads: list[threading.Thread] = []

    async def read() -> None:
        await begin(lambda: threads.append(threading.current_thread()), 20)
        raise AssertionError("it went on")

    reading = asyncio.create_task(read())
    while not threads:  # noqa: ASYNC110 - a thread has no event of the loop
        await asyncio.sleep(0)
    threads[0].join(20)  # what it found is on its way into the loop
    asyncio.get_running_loop().call_soon(reading.cancel)
    with pytest.raises(asyncio.CancelledError):
        await reading


@pytest.mark.parametrize("begin", [in_thread, partial(in_one_thread, "clean-up")])
async def test_who_cleans_up_after_a_cancel_is_told_that_time_is_up(
    begin: Callable[[Callable[[], bool], float], Awaitable[bool]],
) -> None:
    """Python 3.11's timeout took its own end for the cancel, and the rest was not cleaned up."""
    begun, back = asyncio.Event(), threading.Event()

    async def command() -> str:
        try:
            begun.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            with pytest.raises(TimeoutError):
                await begin(lambda: back.wait(20), 0.01)
        return "cleaned up"

    task = asyncio.create_task(command())
    await begun.wait()
    task.cancel()
    assert await task == "cleaned up"
    back.set()
