"""A verb that changes the journal is heard by the daemon at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.cli.conftest import LOGIN, Verb, verb_of

from housecarl.testing.clock import FakeClock
from housecarl.testing.house import TestHouse


def test_a_person_who_is_switched_off_is_off_at_once_and_on_again(
    house: TestHouse, verb: Verb
) -> None:
    assert house.daemon is not None and house.daemon.house is not None
    off = house.daemon.house.off
    for word, so in (("off", True), ("on", False)):
        done = verb("person", word, "bo")
        assert done.returncode == 0, done.stderr
        house.until(lambda so=so: ("bo" in off) is so)  # type: ignore[misc]


@pytest.mark.long
def test_a_job_that_try_has_made_is_done_when_it_is_due(tmp_path: Path) -> None:
    """The daemon slept on, until something else woke it."""
    clock = FakeClock(datetime.now(UTC))
    people = {"ann": {"addresses": ["ann@example.org"], "may": ["*"], "unix": [LOGIN]}}
    with TestHouse(tmp_path, people, clock=clock) as house:
        done = verb_of(tmp_path / "housecarl.yaml")("try", "!in 1m uptime")
        assert done.stdout.startswith("Job 1: "), done.stderr
        soon = clock.now() + timedelta(minutes=3)
        house.until(lambda: clock.next is not None and clock.next < soon)

        async def pass_() -> None:
            clock.set(soon)

        house.do(pass_())
        assert house.daemon is not None and house.daemon.house is not None
        worker = house.daemon.house.worker
        house.until(lambda: worker.carried == 1)
        assert house.log()[-1].endswith(" ann uptime: executed")
