"""One call of spool or SQLite fails: the sender tries again, the daemon mends itself."""

from __future__ import annotations

import errno
import random
import smtplib
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.crash.faulty import Faulty
from tests.crash.rounds import smarthost

#: Lives in the short form; `python -m benchmarks.crash --faults` fails at every call.
SHORT = 4

#: The calls of a life, about; a life with fewer is struck by nothing, which is no fault.
CALLS = 220

#: The same of a life after a kill, whose journal is there already.
DIRTY_CALLS = 80

#: Seconds each call of a slow disk takes, and that nobody else may be kept waiting.
SLOW, PROMPT = 1.2, 0.9


@pytest.mark.long
@pytest.mark.server("gcc", "openssl")
def test_whichever_call_fails_nothing_is_lost_or_repeated(tmp_path: Path) -> None:
    """EIO or ENOSPC, once or from there on, also inside SQLite's own calls."""
    draw = random.Random(6)
    with smarthost() as inbox, closing(Faulty(tmp_path, inbox)) as faulty:
        for n in range(SHORT):
            error = draw.choice([errno.EIO, errno.ENOSPC])
            faulty.live(draw.randrange(1, CALLS), error, always=n % 2 == 0)
            assert faulty.violations == []
        faulty.live(draw.randrange(1, DIRTY_CALLS), errno.EIO, always=True, dirty=True)
        assert faulty.violations == []
    assert faulty.lives > SHORT // 2 and faulty.answered >= 3 * SHORT


@pytest.mark.long
@pytest.mark.server("gcc", "openssl")
def test_a_slow_disk_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    """The loop never waits for the disk: a second client is answered while a message is stored."""
    with smarthost() as inbox, closing(Faulty(tmp_path, inbox)) as faulty:
        faulty.make_fresh()
        process = faulty.start(faulty.faults.env)
        assert faulty.load.send(3)
        faulty.settle()
        faulty.faults.delay(SLOW)
        sender = threading.Thread(target=faulty.load.send, args=(1,))
        with smtplib.SMTP("127.0.0.1", faulty.load.port, timeout=20) as other:
            sender.start()
            waits = []
            while sender.is_alive():
                began = time.monotonic()
                assert other.noop()[0] in (250, 421)
                waits.append(time.monotonic() - began)
                sender.join(SLOW)
        faulty.faults.mend()
        faulty.settle()
        process.terminate()
        assert process.wait(20) == 0
        faulty.balance()
    assert faulty.violations == [] and len(faulty.acknowledged) == 4
    assert len(waits) >= 3 and max(waits) < PROMPT
