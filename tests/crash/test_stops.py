"""The real daemon told to stop again and again under load: it ends well, and the books balance."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from tests.crash.rounds import smarthost
from tests.crash.stops import Stops

#: Stops in the short form; `python -m benchmarks.crash --stops N` makes as many as asked for.
SHORT = 10


@pytest.mark.long
@pytest.mark.timeout(200)
def test_ten_stops_lose_nothing_repeat_nothing_and_cut_nothing_off(tmp_path: Path) -> None:
    with smarthost() as inbox, closing(Stops(tmp_path, inbox, 10)) as stops:
        stops.run(SHORT)
    assert stops.violations == []
    assert stops.kills == SHORT
    assert len(stops.acknowledged) > SHORT
