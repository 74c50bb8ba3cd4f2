"""What signatures tell of a message besides its sender: which one it is, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime

from housecarl.trust.case import Case
from housecarl.trust.signature import Signature

#: How old a Date may be, in seconds, before it counts where a signature has no time of its own: a
#: sender's clock or its zone may be wrong, but a mail that was held back is no new one.
DATE_SLACK = 2 * 3600

#: How far ahead such a Date may be: by as much a mail could be held back. A Date that is further
#: than this from the time of a signature tells nothing.
DATE_AHEAD = 2 * 86400


def marks(signatures: Sequence[Signature], case: Case, *, is_whole: bool = True) -> tuple[str, ...]:
    """What names signatures; and the content where one of them covers no Message-ID.

    Of a mail that was signed twice, one copy can bear the first and another one the second. Where
    these are not all (`is_whole`), nobody can tell what the others cover.
    """
    found = [each.key for each in signatures]
    is_known = is_whole and all(_tells_apart(each, case) for each in signatures)
    if not is_known and case.original.all(b"date"):
        found.append(case.original.content_hash(b"relaxed"))
    return tuple(found)


def _tells_apart(signed: Signature, case: Case) -> bool:
    """Whether it is another one over each mail, or the Date would be none to go by.

    All that comes of a clock that stands still is of one moment.
    """
    if case.message.message_id and b"message-id" in signed.covers:
        return True
    at = date(case)
    return at is None or (signed.signed is not None and abs(signed.signed - at) > DATE_AHEAD)


def times(moments: Sequence[int | None], case: Case) -> tuple[int, ...]:
    """When signatures were made, seconds since 1970.

    As each t= says (`moments`), or else a Date that no wrong clock explains.
    """
    now = int(case.now.timestamp())
    # of a time ahead nobody may have checked that there is such a year
    told = tuple(min(each, now) for each in moments if each is not None)
    if len(told) < len(moments):
        at = date(case)
        if at is not None and at < now - DATE_SLACK:
            return (*told, at)
    return told


def date(case: Case) -> int | None:
    """The Date, seconds since 1970; None when there is none, or not one."""
    field = case.original.only(b"date")
    try:
        at = parsedate_to_datetime(field.text[:100] if field else "")
        # of `-0000` it is only known that it is UTC (RFC 5322 3.3)
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError, TypeError):
        return None
