"""Watches on what the journal already holds: the mailbox, the post, a forwarding to confirm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from housecarl.config_watches import PartWatch, Watches
from housecarl.journal import Database, conditions
from housecarl.watches.source import Notice
from housecarl.watches.state import Finding, Rule

#: The journal's name of each part, and of what Gmail asked last.
MAILBOX, POST, CONFIRMATION = "door.imap", "post", "confirmation"


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """Reads the journal's conditions each time one has changed."""

    db: Database
    watches: Watches

    @property
    def names(self) -> frozenset[str]:
        """Those of the journal's conditions that are watched."""
        asked = {
            MAILBOX: self.watches.mailbox,
            POST: self.watches.post,
            CONFIRMATION: self.watches.confirmation,
        }
        return frozenset(name for name, watch in asked.items() if watch is not None)

    def next(self, now: datetime) -> datetime | None:
        """Never by itself."""
        return None

    async def look(self, now: datetime) -> Sequence[Finding | Notice]:
        """How the parts are, and what Gmail asks."""
        watches, found = self.watches, list[Finding | Notice]()
        for each in await self.db.read(conditions.listing):
            if each.name == MAILBOX and watches.mailbox:
                rule = _rule(watches.mailbox)
                found.append(Finding(MAILBOX, "mailbox", each.ok, each.text, rule, each.since))
            elif each.name == POST and watches.post:
                # the post cannot carry the news that it carries nothing
                rule = _rule(watches.post, afterwards=True)
                found.append(Finding(POST, "post", each.ok, each.text, rule, each.since))
            elif each.name == CONFIRMATION and watches.confirmation:
                urgent = watches.confirmation.urgent
                found.append(Notice(CONFIRMATION, each.text, each.text, urgent))
        return found


def _rule(watch: PartWatch, *, afterwards: bool = False) -> Rule:
    return Rule(watch.after, watch.urgent, afterwards)
