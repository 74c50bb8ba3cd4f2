"""The replies in hand."""

from __future__ import annotations

from housecarl.journal.replies import Due
from housecarl.post.lanes import Lanes


def due(number: int, person: str = "ann") -> Due:
    at = float(number)
    return Due(number, person, "x@example.org", b"", 0, at, at)


def filled(*dues: Due) -> Lanes:
    lanes = Lanes()
    for one in dues:
        lanes.add(one)
    return lanes


def test_a_person_has_one_reply_on_its_way_at_a_time() -> None:
    lanes = filled(due(1), due(2), due(3, "bo"))
    first, second = lanes.next(), lanes.next()
    assert (first, second, lanes.next()) == (due(1), due(3, "bo"), None)
    lanes.done(due(1))
    assert lanes.next() == due(2)


def test_a_look_that_began_before_an_outcome_was_noted_brings_nothing_twice() -> None:
    lanes = filled(due(1))
    assert lanes.next() == due(1)
    lanes.done(due(1))
    lanes.look()
    lanes.settle([1])
    lanes.add(due(1))
    assert lanes.next() is None
    lanes.looked()
    lanes.look()
    lanes.add(due(1))
    assert lanes.next() == due(1)
    lanes.looked()
    lanes.look()
    lanes.add(due(1))
    lanes.done(due(1))
    assert lanes.next() is None, "tried again it is in hand like any other"


def test_nothing_is_remembered_of_what_was_settled_however_seldom_anybody_looks() -> None:
    lanes = Lanes()
    for number in range(100):
        lanes.add(due(number))
        assert lanes.next() == due(number)
        lanes.done(due(number))
        lanes.settle([number])
    assert lanes.known == 0 and lanes.empty


def test_a_later_reply_waits_until_the_journal_knows_that_the_earlier_one_does() -> None:
    lanes = filled(due(1), due(2))
    assert lanes.next() == due(1)
    assert lanes.hold(due(1)) == [1, 2]
    lanes.look()
    lanes.add(due(3))
    assert lanes.next() is None
    lanes.settle([1, 2], "ann")
    lanes.add(due(3))
    assert lanes.next() is None
    lanes.look()
    lanes.add(due(3))
    assert lanes.next() == due(3)


def test_what_is_overdue_leaves_unless_it_is_on_its_way() -> None:
    lanes = filled(due(1), due(2), due(3, "bo"), due(9, "bo"), due(4, "cy"))
    assert lanes.next() == due(1)
    assert lanes.overdue(5.0) == [due(3, "bo"), due(4, "cy")]
    assert lanes.next() == due(9, "bo")
    assert lanes.next() is None
    assert not lanes.empty


def test_what_is_dropped_is_forgotten_but_for_what_is_on_its_way() -> None:
    lanes = Lanes()
    for number, person in enumerate(("ann", "ann", "bo", "bo")):
        lanes.add(due(number, person))
    assert lanes.next() == due(0, "ann")
    lanes.forget({0, 1, 2, 3})
    assert (lanes.ids, lanes.ready, lanes.known) == ([0], 0, 1)
