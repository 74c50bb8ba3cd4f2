"""A verb that changes the journal is heard by the daemon at once."""

from __future__ import annotations

from tests.cli.conftest import Verb

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
