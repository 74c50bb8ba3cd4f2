"""Handing one reply to the smarthost, on a kept connection where there is one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from sqlite3 import Connection
from typing import NamedTuple

from housecarl.config_post import Post as Settings
from housecarl.errors import PostRefused
from housecarl.journal.replies import Due
from housecarl.post.answer import ServiceFault
from housecarl.post.budget import Bound, Budget
from housecarl.post.dialogue import Dropped
from housecarl.post.pool import Bounds, Pool
from housecarl.post.withheld import withheld

#: Connections in a row that end inside a mail before the smarthost is to blame and not the mail.
BLAMED = 2


class Rules(NamedTuple):
    """To whom something may be sent, and how much of it."""

    #: whether a person is switched off
    off: Callable[[str], bool]
    #: why nothing for a person may go to an address any more, None for theirs
    astray: Callable[[str, str], str | None]
    #: at most so many texts in so many seconds
    budget: Sequence[Bound]


class Handover:
    """Hands replies in by the config: those that are to be sent, within the budget of texts."""

    def __init__(
        self,
        settings: Settings,
        bounds: Bounds,
        now: Callable[[], float],
        rules: Rules,
    ) -> None:
        self._settings = settings
        self._bounds = bounds
        self._now = now
        self._withheld = partial(
            withheld, off=rules.off, astray=rules.astray, began=now(), give_up=settings.give_up
        )
        self._budget = Budget(rules.budget, bounds.connections)
        self.pool = Pool(settings, bounds)
        self._drops = 0

    def resume(self, conn: Connection) -> None:
        """Take up what the journal knows of the texts that left before."""
        self._budget.resume(conn, self._now())

    async def hand_in(self, due: Due) -> None:
        """Hand in one reply; the smarthost has it on return.

        Raises PostRefused, TooSoon, or what `Dialogue.hand_in` raises.
        """
        now = self._now()
        if (why := self._withheld(due, now=now)) is not None:
            raise PostRefused(why)
        counted = self._budget.take(due, now)
        try:
            await self._hand_in(due)
        except BaseException:
            if counted:
                self._budget.give_back(now)
            raise
        self._drops = 0

    async def _hand_in(self, due: Due) -> None:
        """A kept connection that turns out dead is no failure."""
        limits = self._bounds.deadline, self._bounds.verdict
        while True:
            dialogue, new = await self.pool.borrow()
            try:
                await dialogue.hand_in(self._settings.from_, due.to, due.mail, *limits)
            except Dropped as error:
                if error.unheard and not new:
                    continue
                self._drops += 1
                if error.unheard or self._drops >= BLAMED:
                    raise ServiceFault(str(error)) from error
                raise
            finally:
                self.pool.give_back(dialogue)
            return
