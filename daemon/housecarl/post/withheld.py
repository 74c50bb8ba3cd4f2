"""Replies that are not sent after all: why, just before one would be handed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from housecarl.config_people import Person
from housecarl.journal.replies import Due
from housecarl.message import google_voice


def withheld(
    due: Due,
    *,
    now: float,
    off: Callable[[str], bool],
    people: Mapping[str, Person] | None,
    began: float,
    give_up: float,
) -> str | None:
    """The reason that `queue list` shows, None when it is to be sent.

    Too old is only what was due before the post `began`: the house was off, or had no post. Of what
    came since, the clock may have been set meanwhile. Without `people` it goes to whoever it was
    made for.
    """
    if off(due.person):
        return f"{due.person} is switched off"
    if people is not None and (why := _not_theirs(due, people)) is not None:
        return why
    late = due.since < began and now - due.since >= give_up
    return "expired: it was due for too long" if late else None


def _not_theirs(due: Due, people: Mapping[str, Person]) -> str | None:
    """The configuration may have changed while it waited: it has a new owner then.

    Who logs in or drops files may write from any address, and is answered there.
    """
    person, number = people.get(due.person), google_voice.number(due.to)
    if person is None:
        return f"{due.person} is no longer in the configuration"
    if number is not None:
        theirs, what = number in person.phones, "number"
    else:
        known = (address.lower() for address in person.addresses)
        theirs, what = bool(person.login or person.unix or due.to.lower() in known), "address"
    return None if theirs else f"its {what} is no longer one of {due.person}'s"
