"""Threads while there is no room for one more, as when a command has started all there may be."""

from __future__ import annotations

import threading

import pytest

from housecarl.thread import Pool


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
