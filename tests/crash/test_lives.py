"""Killed at any moment, or failed by the disk: nothing is lost, nothing is done twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.crash.lives import MENDED, STORAGE, WHOLE, run, violations
from tests.crash.rounds import smarthost

from housecarl.testing.inbox import Inbox


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """A smarthost that outlives every house."""
    with smarthost() as inbox:
        yield inbox


@pytest.mark.long
def test_killed_before_every_durable_operation(tmp_path: Path, inbox: Inbox) -> None:
    ends = run(tmp_path, inbox)
    assert ends[-1]["struck"] == 0, "a whole life was never reached"
    assert len(ends) > 15
    assert [text for life in ends for text in violations(life, inbox)] == []


@pytest.mark.long
def test_killed_again_while_recovering(tmp_path: Path, inbox: Inbox) -> None:
    ends = run(tmp_path, inbox, "--again", "9", "--step", "6", "--most", "27")
    assert [text for life in ends for text in violations(life, inbox)] == []


@pytest.mark.long
def test_the_disk_fails_while_recovering(tmp_path: Path, inbox: Inbox) -> None:
    """A kill, and a fault in the life after it."""
    options = ("--again", "11", "--then", "EIO", "--lasts", "0.1", "--first", "8", "--step", "6")
    ends = run(tmp_path, inbox, *options)
    assert any(life["again"] in (MENDED, STORAGE) for life in ends)
    assert [text for life in ends for text in violations(life, inbox)] == []


@pytest.mark.long
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_the_disk_fails_once(tmp_path: Path, inbox: Inbox, error: str) -> None:
    ends = run(tmp_path, inbox, "--error", error, "--first", "2", "--step", "4")
    assert ends[-1]["struck"] == WHOLE, "a whole life was never reached"
    assert [text for life in ends for text in violations(life, inbox)] == []


@pytest.mark.long
@pytest.mark.parametrize("error,first", [("EIO", "3"), ("ENOSPC", "5")])
def test_the_disk_fails_for_ever(tmp_path: Path, inbox: Inbox, error: str, first: str) -> None:
    """From one operation on every other fails too, until the fault goes: the same life mends."""
    options = ("--error", error, "--lasts", "0.15", "--first", first, "--step", "4")
    ends = run(tmp_path, inbox, *options)
    assert ends[-1]["struck"] == WHOLE, "a whole life was never reached"
    assert [text for life in ends for text in violations(life, inbox)] == []


@pytest.mark.long
def test_the_power_fails_before_every_durable_operation(tmp_path: Path, inbox: Inbox) -> None:
    """What nobody synced is gone, as on a real disk."""
    ends = run(tmp_path, inbox, "--power", "--step", "2")
    assert ends[-1]["struck"] == 0, "a whole life was never reached"
    assert [text for life in ends for text in violations(life, inbox)] == []


@pytest.mark.long
def test_without_the_sync_a_message_is_lost(tmp_path: Path, inbox: Inbox) -> None:
    """The harness can fail: the accept barrier left out is found."""
    ends = run(tmp_path, inbox, "--power", "--omit", "accept", "--first", "9", "--most", "15")
    found = [text for life in ends for text in violations(life, inbox)]
    assert any("different replies to 2 messages" in text for text in found), found


@pytest.mark.long
def test_without_the_outcome_before_filing_a_reply_is_lost(tmp_path: Path, inbox: Inbox) -> None:
    """The harness can fail: the result barrier left out is found."""
    ends = run(tmp_path, inbox, "--omit", "result", "--first", "30", "--step", "4", "--most", "54")
    found = [text for life in ends for text in violations(life, inbox)]
    assert any("1 different replies to 2 messages" in text for text in found), found


@pytest.mark.long
def test_without_the_claim_a_change_runs_twice(tmp_path: Path, inbox: Inbox) -> None:
    """The harness can fail: the barrier left out is found."""
    ends = run(tmp_path, inbox, "--omit", "claim", "--first", "9", "--most", "17")
    assert any("a change ran 2 times" in text for life in ends for text in violations(life, inbox))
