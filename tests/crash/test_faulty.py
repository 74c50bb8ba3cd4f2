"""One call of spool or SQLite fails: the sender tries again, the daemon mends itself."""

from __future__ import annotations

import errno
import random
from contextlib import closing
from pathlib import Path

import pytest
from tests.crash.faulty import Faulty
from tests.crash.rounds import smarthost

#: Lives in the short form; `python -m benchmarks.crash --faults` fails at every call.
SHORT = 5

#: The calls of a life in which something is always left to strike.
CALLS = 220


@pytest.mark.long
@pytest.mark.server("gcc", "openssl")
def test_whichever_call_fails_nothing_is_lost_or_repeated(tmp_path: Path) -> None:
    """EIO or ENOSPC, once or from there on, also inside SQLite's own calls."""
    draw = random.Random(6)
    with smarthost() as inbox, closing(Faulty(tmp_path, inbox)) as faulty:
        for n in range(SHORT):
            error = draw.choice([errno.EIO, errno.ENOSPC])
            assert faulty.live(draw.randrange(1, CALLS), error, always=n % 2 == 0)
            assert faulty.violations == []
    assert faulty.lives == SHORT and faulty.answered >= 3 * SHORT
