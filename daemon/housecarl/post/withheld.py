"""Replies that are not sent after all: why, just before one would be handed in."""

from __future__ import annotations

from collections.abc import Callable

from housecarl.journal.replies import Due
from housecarl.message.address import is_plain


def withheld(
    due: Due,
    *,
    now: float,
    off: Callable[[str], bool],
    astray: Callable[[str, str], str | None],
    began: float,
    give_up: float,
) -> str | None:
    """The reason that `queue list` shows, None when it is to be sent.

    An address was a plain one when it came into the journal, whose bits may have fallen over since.
    Too old is only what was due before the post `began`: the house was off, or had no post. Of what
    came since, the clock may have been set meanwhile. `astray` tells why an address is not the
    person's any more: the configuration may have changed while it waited.
    """
    if off(due.person):
        return f"{due.person} is switched off"
    if (why := astray(due.person, due.to)) is not None:
        return why
    if not is_plain(due.to):
        return "its address is damaged"
    late = due.since < began and now - due.since >= give_up
    return "expired: it was due for too long" if late else None
