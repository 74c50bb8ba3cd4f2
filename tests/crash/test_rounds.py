"""The real daemon killed with -9 again and again under load: the books balance."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from tests.crash.rounds import Rounds, smarthost

#: Kills in the short form; `python -m benchmarks.crash` makes a thousand.
SHORT = 50


@pytest.mark.long
@pytest.mark.timeout(300)
def test_fifty_kills_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    with smarthost() as inbox, closing(Rounds(tmp_path, inbox, 50, tmp_path / "spool")) as rounds:
        rounds.run(SHORT)
    assert rounds.violations == []
    assert rounds.kills == SHORT
    assert len(rounds.acknowledged) > SHORT
