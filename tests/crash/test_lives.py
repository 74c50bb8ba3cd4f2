"""Killed at any moment, or failed by the disk: nothing is lost, nothing is done twice."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.crash.lives import WHOLE, violations

from housecarl.testing.inbox import Inbox

ROOT = Path(__file__).parents[2]


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """A smarthost that outlives every house."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    inbox = Inbox()
    asyncio.run_coroutine_threadsafe(inbox.start(), loop).result(10)
    yield inbox
    asyncio.run_coroutine_threadsafe(inbox.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def lives(folder: Path, inbox: Inbox, *options: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.lives", folder, str(inbox.port), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.long
def test_killed_before_every_durable_operation(tmp_path: Path, inbox: Inbox) -> None:
    ends = lives(tmp_path, inbox)
    assert ends[-1]["struck"] == 0, "a whole life was never reached"
    assert len(ends) > 15
    assert [text for life in ends for text in violations(life, inbox)] == []


def test_killed_again_while_recovering(tmp_path: Path, inbox: Inbox) -> None:
    ends = lives(tmp_path, inbox, "--again", "9", "--step", "6", "--most", "27")
    assert [text for life in ends for text in violations(life, inbox)] == []


@pytest.mark.long
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_the_disk_fails_once(tmp_path: Path, inbox: Inbox, error: str) -> None:
    ends = lives(tmp_path, inbox, "--error", error, "--first", "2", "--step", "4")
    assert ends[-1]["struck"] == WHOLE, "a whole life was never reached"
    assert [text for life in ends for text in violations(life, inbox)] == []


@pytest.mark.long
@pytest.mark.parametrize("error,first", [("EIO", "3"), ("ENOSPC", "5")])
def test_the_disk_fails_for_ever(tmp_path: Path, inbox: Inbox, error: str, first: str) -> None:
    """From one operation on every other fails too, until the fault goes: the same life mends."""
    options = ("--error", error, "--lasts", "0.15", "--first", first, "--step", "4")
    ends = lives(tmp_path, inbox, *options)
    assert ends[-1]["struck"] == WHOLE, "a whole life was never reached"
    assert [text for life in ends for text in violations(life, inbox)] == []


@pytest.mark.long
def test_the_power_fails_before_every_durable_operation(tmp_path: Path, inbox: Inbox) -> None:
    """What nobody synced is gone, as on a real disk."""
    ends = lives(tmp_path, inbox, "--power", "--step", "2")
    assert ends[-1]["struck"] == 0, "a whole life was never reached"
    assert [text for life in ends for text in violations(life, inbox)] == []


@pytest.mark.long
def test_without_the_sync_a_message_is_lost(tmp_path: Path, inbox: Inbox) -> None:
    """The harness can fail: the accept barrier left out is found."""
    ends = lives(tmp_path, inbox, "--power", "--omit", "accept", "--first", "9", "--most", "15")
    found = [text for life in ends for text in violations(life, inbox)]
    assert any("different replies to 2 messages" in text for text in found), found


@pytest.mark.long
def test_without_the_outcome_before_filing_a_reply_is_lost(tmp_path: Path, inbox: Inbox) -> None:
    """The harness can fail: the result barrier left out is found."""
    ends = lives(tmp_path, inbox, "--omit", "result", "--first", "20", "--most", "25")
    found = [text for life in ends for text in violations(life, inbox)]
    assert any("1 different replies to 2 messages" in text for text in found), found


@pytest.mark.long
def test_without_the_claim_a_change_runs_twice(tmp_path: Path, inbox: Inbox) -> None:
    """The harness can fail: the barrier left out is found."""
    ends = lives(tmp_path, inbox, "--omit", "claim", "--first", "9", "--most", "17")
    assert any("a change ran 2 times" in text for life in ends for text in violations(life, inbox))
