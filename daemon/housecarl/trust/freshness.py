"""When a message was sent, by trusted clocks only, and what marks it as the same message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from housecarl.trust.case import Case, Finding
from housecarl.trust.signature import CLOCK_SLACK

#: How long a message that tells no time of its own is taken for the same one when it comes again,
#: in seconds: a client waits ten minutes for our 250 (RFC 5321 4.5.3.2.6) before it tries again,
#: while one that has no Date is a program, which may well mean the same twice a day.
REPEAT_SECONDS = 15 * 60


def sent(case: Case, finding: Finding) -> datetime | None:
    """The earliest moment a trusted hop vouches for; of Date only what `traces` makes of it.

    Arrival for AUTH and files; for mail also the times of its signatures and the mailbox's
    INTERNALDATE. None without a stamp and without a signature's time.
    """
    moments = [datetime.fromtimestamp(each, UTC) for each in finding.times]
    if case.stamp is not None:
        moments.append(case.stamp.arrived)
        if case.stamp.internal and (internal := _moment(case.stamp.internal)):
            moments.append(internal)
    return min(moments, default=None)


def stale(moment: datetime | None, now: datetime, max_age: timedelta) -> str | None:
    """`stale` when it is older than anything we would run, `future` when it cannot be."""
    if moment is None:
        return None
    if now - moment > max_age:
        return "stale"
    return "future" if (moment - now).total_seconds() > CLOCK_SLACK else None


def keys(case: Case, finding: Finding) -> tuple[str, ...]:
    """What marks a repeat: each may be obeyed once."""
    stamp, message_id = case.stamp, case.message.message_id
    if stamp is not None and stamp.local:
        return (f"drop:{stamp.key}",) if stamp.key else ()
    found = [f"sig:{mark}" for mark in finding.marks]
    if message_id:
        found.insert(0, f"id:{finding.sender}:{message_id}")
    elif stamp is not None and stamp.login:
        # a client without a Message-ID repeats these if it repeats
        content = f"auth:{finding.sender}:{case.original.content_hash(b'simple')}"
        dated = case.original.all(b"date")
        found += [content] if dated else [f"{content}:{each}" for each in _spans(stamp.arrived)]
    return tuple(found)


def _spans(moment: datetime) -> tuple[int, int]:
    """The two spans of time that a moment lies in.

    Each begins in the middle of the one before, so that moments with no more than REPEAT_SECONDS
    between them share one, and with twice as much none.
    """
    number = int(moment.timestamp()) // REPEAT_SECONDS
    return number, number + 1


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
