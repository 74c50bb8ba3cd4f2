"""Messages that wait in work/: how long until the next try, who is offered, what ends it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from housecarl.journal import Database, receipts
from housecarl.message.name import id_of, make_name
from housecarl.parked import Parked
from housecarl.record import Record
from housecarl.stranded import Stranded
from housecarl.testing.clock import FakeClock
from housecarl.waiting import Waiting


@pytest.fixture
def offered() -> asyncio.Queue[str]:
    """The names that are offered to the worker again."""
    return asyncio.Queue()


@pytest.fixture
def waiting(db: Database, offered: asyncio.Queue[str]) -> Waiting:
    nothing: Any = None
    return Waiting(db, Record(db, nothing), FakeClock(), offered.put_nowait)


async def test_what_waits_is_offered_once_all_of_it_with_the_first(
    waiting: Waiting, offered: asyncio.Queue[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = waiting.clock.now()
    first, second, third = (make_name(now + timedelta(seconds=n)) for n in range(3))
    for name, pause in ((second, 3600.0), (first, 0.0)):
        monkeypatch.setattr("housecarl.waiting.RETRY_SECONDS", (pause,))
        await waiting.postpone(name, "no answer")
    assert [await offered.get(), await offered.get()] == [first, second]
    await waiting.postpone(third, "no answer")
    assert await offered.get() == third and offered.empty()
    await waiting.postpone(third, "the clock is not set yet")
    known = await waiting.db.read(lambda conn: receipts.find(conn, id_of(third)))
    assert known is not None
    assert (known.tries, known.reason) == (2, "later")
    assert known.checks == {"later": "the clock is not set yet"}, "the last why"


async def test_each_pause_is_longer_until_the_last_repeats(waiting: Waiting) -> None:
    name = make_name(waiting.clock.now())
    with capture_logs() as logs:
        for _ in range(7):
            await waiting.postpone(name, "no answer")
    waiting.stop()
    assert [each["seconds"] for each in logs] == [60, 120, 300, 900, 1800, 1800, 1800]


async def test_after_the_stop_nothing_is_offered(
    waiting: Waiting, offered: asyncio.Queue[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither what was to be tried again nor what DNS was asked for, which nobody waits for now."""
    monkeypatch.setattr("housecarl.waiting.RETRY_SECONDS", (0.0,))
    await waiting.postpone(make_name(waiting.clock.now()), "no answer")
    parked, question = Parked(offered.put_nowait), asyncio.get_running_loop().create_future()
    parked.add("name", question)
    waiting.stop()
    parked.stop()
    await asyncio.wait((question,))
    await asyncio.sleep(0)
    assert offered.empty() and not parked


async def test_what_was_stranded_is_told_once_when_it_is_over() -> None:
    told: list[tuple[str, bool]] = []

    async def tell(name: str, ok: bool, text: str) -> None:
        told.append((name, ok))

    stranded = Stranded(tell)
    await stranded.found("other")
    await stranded.unread("name", "a bad spot")
    await stranded.found("name")
    await stranded.found("name")
    assert told == [("spool.name", False), ("spool.name", True)]
