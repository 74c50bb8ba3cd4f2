"""Threads that nobody waits for: what hangs in one of them does not keep doctor from ending."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class Loose(ThreadPoolExecutor):
    """A thread for each task; a look-up of a name can hang for a minute when DNS is down."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run it in a thread that ends with the process."""
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001  raised again where it is awaited
                future.set_exception(error)
            else:
                future.set_result(result)

        threading.Thread(target=run, name="doctor", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for nobody."""
