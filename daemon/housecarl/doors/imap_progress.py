"""How far a mailbox has been read: what is remembered between connections and lives."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from housecarl.config_doors import Imap

#: Days before the last look that are searched after the numbers changed: SEARCH SINCE knows only
#: days, in whatever time zone the server likes.
OVERLAP_DAYS = 2

#: How far the server's clock may lag behind ours: what came earlier than the first start less this
#: was there before us.
SLACK = timedelta(hours=1)


class Progress(NamedTuple):
    """`validity` and `last` are UIDVALIDITY and the last UID looked at; times in seconds (UTC).

    `began` is the first start (0: everything is wanted), `looked` the last time all was read,
    `owed` the UIDs that the server refused to give, and how often.
    """

    validity: int
    last: int
    began: float
    looked: float
    owed: Mapping[int, int]

    def moved(self, last: int, owed: Mapping[int, int], now: datetime) -> Progress:
        """The same mailbox, read up to `last` but for what is owed."""
        return self._replace(last=max(last, self.last), owed=dict(owed), looked=now.timestamp())

    def since(self) -> date:
        """The day from which to search when all numbers are new."""
        return datetime.fromtimestamp(max(self.looked, self.began), UTC).date() - timedelta(
            days=OVERLAP_DAYS
        )

    def is_before_us(self, internal: datetime | None) -> bool:
        """Whether a message lay there before the first start."""
        if internal is None or not self.began:
            return False
        return internal < datetime.fromtimestamp(self.began, UTC) - SLACK

    def stored(self) -> dict[str, Any]:
        """As JSON takes it."""
        return self._asdict()


def dated(internal: datetime | None) -> datetime | None:
    """INTERNALDATE where it is a moment in time: no year is 9999 in all zones, no zone is +9999."""
    try:
        if internal is not None:
            internal.astimezone(UTC)
    except (OverflowError, ValueError):
        return None
    return internal


def key_of(settings: Imap) -> str:
    """Under which key the progress of a folder is kept."""
    return f"{settings.user}@{settings.host}:{settings.port}/{settings.folder}"


def first(validity: int, next_uid: int, now: datetime, *, all_old: bool) -> Progress:
    """The progress of a mailbox that was never seen: nothing of what is there, or all of it."""
    at = now.timestamp()
    last, began = (0, 0.0) if all_old else (next_uid - 1, at)
    return Progress(validity, last, began, at, {})


def restored(value: Mapping[str, Any] | None) -> Progress | None:
    """What was stored, None where nothing was or it cannot be read."""
    if not isinstance(value, Mapping):
        return None
    try:
        return Progress(
            int(value["validity"]),
            int(value["last"]),
            float(value["began"]),
            float(value["looked"]),
            # JSON knows numbers as keys only as text
            {int(uid): int(tries) for uid, tries in dict(value.get("owed", {})).items()},
        )
    except (KeyError, TypeError, ValueError):
        return None
