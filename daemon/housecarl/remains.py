"""The remains: what the spool's folders still know of each message without a journal."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import structlog

from housecarl import syntax
from housecarl.alerts import owners
from housecarl.config import Config
from housecarl.disk import is_there
from housecarl.errors import (
    CommandError,
    FormError,
    JournalDamaged,
    MessageGone,
    MessageUnread,
)
from housecarl.journal.people import Way
from housecarl.journal.receipts import Receipt
from housecarl.message import gate, read_form
from housecarl.message.model import Kind, Message
from housecarl.message.name import arrival_of, id_of
from housecarl.message.stamp import MAX_BYTES, Stamp, split
from housecarl.spool import State
from housecarl.stored import names_in, read_file
from housecarl.trust import hindsight

log = structlog.get_logger()

#: Where what is over lies. A refused message may be a stranger's, so only its place is believed.
_FILED = (State.EXECUTED, State.FAILED, State.REFUSED)


class Filed(NamedTuple):
    """One message that is over, as far as its file tells."""

    receipt: Receipt
    keys: tuple[str, ...] = ()
    way: Way | None = None


@dataclass(frozen=True, slots=True)
class Remains:
    """Reads the folders of one spool; nothing here is changed."""

    config: Config

    def waiting(self) -> list[tuple[str, float]]:
        """The names in new/ and work/ with when they arrived.

        A name stays in new/ for a moment after its message was taken, so neither folder says
        whether a change has begun.
        """
        found = {
            name: at
            for state in (State.WORK, State.NEW)
            for name in names_in(self.config.spool / state)
            if (at := arrival_of(name)) is not None
        }
        return list(found.items())

    def filed(self, now: float) -> Iterator[Filed]:
        """Every message that is over; those young enough to be repeated are read whole."""
        since = now - self.config.trust.remember
        for state in _FILED:
            for path in sorted((self.config.spool / state).rglob("*.eml")):
                at = arrival_of(path.name)
                if at is not None:
                    with suppress(MessageGone):
                        yield self._filed(path, at, state, whole=at >= since)

    def _filed(self, path: Path, at: float, state: State, *, whole: bool) -> Filed:
        checks = {"journal": "lost; this is what the folder knows"}
        receipt = Receipt(id_of(path.name), path.name, at, "", checks=checks, state=state.value)
        try:
            stamp, raw = split(read_file(path, -1 if whole else MAX_BYTES))
        except MessageUnread as unread:  # a bad spot in one of thousands must not end it all
            log.warning("message-unread", file=path.name, why=str(unread))
            return Filed(receipt)
        receipt = replace(receipt, door=stamp.door if stamp else "")
        if not whole or state is State.REFUSED:
            return Filed(receipt)
        return self._read(receipt, raw, stamp)

    def _read(self, receipt: Receipt, raw: bytes, stamp: Stamp | None) -> Filed:
        """A message that was obeyed: its person, its words, its keys and its conversation."""
        try:
            form = gate(raw, needs_from=stamp is None or not stamp.local)
            message = read_form(form)
        except FormError:
            return Filed(receipt)
        person = hindsight.person_of(self.config.people, message, stamp)
        if person is None:
            return Filed(receipt)
        known = replace(
            receipt,
            kind=message.kind.value,
            person=person,
            sender=message.sender,
            calls=self._calls(message),
            reply_to=message.reply_to,
        )
        return Filed(known, hindsight.keys_of(form, message, stamp), _way(message, receipt))

    def _calls(self, message: Message) -> tuple[tuple[str, ...], ...]:
        try:
            most = self.config.limits.lines
            calls = syntax.parse(message.text, message.subject, self.config.language, most)
        except CommandError:
            return ()
        return tuple(tuple(call.words) for call in calls)

    def owners(self, off: Collection[str], now: datetime) -> list[str]:
        """Who is to be told."""
        return owners(self.config, now, off.__contains__)


def is_lost(spool: Path, journal: Path) -> bool:
    """Whether messages were carried here before, so that there was a journal, and it is gone."""
    if is_there(journal) and journal.stat().st_size > 0:
        return False
    folders = (spool / state for state in (*_FILED, State.WORK))
    return any(next(folder.rglob("*.eml"), None) is not None for folder in folders)


def see_journal(spool: Path, journal: Path) -> None:
    """For a verb, before it opens the journal: JournalDamaged when it is lost.

    A verb that made a new one would hide that from the daemon, which would do again what waits.
    """
    if is_lost(spool, journal):
        raise JournalDamaged(
            f"the journal {journal} is gone. The daemon builds a new one when it starts: restart it"
        )


def _way(message: Message, receipt: Receipt) -> Way | None:
    """The conversation of a text that was obeyed: it is pinned again."""
    token = message.facts.get("token")
    if message.kind is not Kind.SMS or receipt.state != State.EXECUTED or not message.reply_to:
        return None
    return Way(message.reply_to, message.sender or "", str(token or ""), receipt.arrived)
