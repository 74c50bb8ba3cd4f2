"""What a message that was obeyed once tells of itself later: who it was from, and its keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime

from housecarl.message.form import Form
from housecarl.message.model import Kind, Message
from housecarl.message.stamp import Stamp
from housecarl.trust import freshness, signature, traces
from housecarl.trust.case import Case, Finding
from housecarl.trust.identity import Known, People
from housecarl.trust.original import Original
from housecarl.trust.signature import Signature
from housecarl.trust.tags import Unsound

#: The fields whose signature may have been the one that was accepted.
_SIGNED = (b"dkim-signature", b"arc-message-signature")


def person_of(people: Mapping[str, Known], message: Message, stamp: Stamp | None) -> str | None:
    """Whom a message was from that was proven before: only its folder says so now."""
    known = People(people)
    if stamp is not None and stamp.local:
        return known.by_owner(stamp)
    if stamp is not None and stamp.login:
        return known.by_name(stamp.login)
    if message.kind is Kind.SMS:
        return known.by_number(message.sender)
    return known.by_address(message.from_address)


def keys_of(form: Form, message: Message, stamp: Stamp | None) -> tuple[str, ...]:
    """Every key the message can have had: without DNS nobody can say which proof was the one."""
    opened = Original(form)
    case = Case(opened, message, stamp, datetime.now(UTC))
    senders = {message.sender, message.from_address}
    if stamp is not None and stamp.login:
        senders.add(f"login:{stamp.login}")
    is_whole = not opened.all(b"arc-message-signature")  # what was sealed may be gone
    marks = traces.marks(tuple(_signatures(opened)), case, is_whole=is_whole)
    found = {
        key: None
        for sender in sorted(each for each in senders if each)
        for key in freshness.keys(case, Finding(sender=sender, marks=marks))
    }
    found |= dict.fromkeys(freshness.keys(case, Finding(marks=marks)))
    return tuple(found)


def _signatures(opened: Original) -> Iterator[Signature]:
    for name in _SIGNED:
        for field in opened.all(name):
            with suppress(Unsound):
                yield signature.read(field)
