"""Watches on what runs out: the room on a disk, the days of a certificate."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from housecarl.config_watches import CertificateWatch, DiskWatch
from housecarl.quantity import DAY
from housecarl.thread import in_one_thread
from housecarl.watches.source import Notice
from housecarl.watches.state import Finding, Rule

#: Between two looks at the disks: nothing but a runaway fills one faster.
DISK_EVERY = timedelta(minutes=10)

#: Between two looks at a certificate; it is renewed on some night.
CERTIFICATE_EVERY = timedelta(hours=6)

#: Percent by which a disk must have become emptier to be well again: at its bound it would flap.
SLACK = 2.0

#: Seconds until a disk that has not answered counts as one that cannot be read.
PATIENCE_SECONDS = 10.0

#: The number of a disk and how full it is, in percent; None: it cannot be read.
Measure = tuple[int | None, float | None]


@dataclass(frozen=True, slots=True, eq=False)
class Disks:
    """The disks under some folders; `spool` is looked at too where no folder was named."""

    watch: DiskWatch
    spool: Path

    @property
    def places(self) -> dict[str, Path]:
        """The folders by the name of their finding."""
        if self.watch.paths:
            return {f"disk.{path}": path for path in self.watch.paths}
        return {"disk./": Path("/"), "disk.spool": self.spool}

    @property
    def names(self) -> frozenset[str]:
        """One finding for each folder."""
        return frozenset(self.places)

    def next(self, now: datetime) -> datetime | None:
        """In a while."""
        return now + DISK_EVERY

    async def look(self, now: datetime) -> Sequence[Finding | Notice]:
        """Measure each disk once, the spool's only when it is one of its own.

        All at once: of a machine that died, every mount takes as long as one may.
        """
        found = []
        seen: set[int] = set()
        places = self.places
        measured = await asyncio.gather(*map(self._measured, places.values()))
        for name, (disk, percent) in zip(places, measured, strict=True):
            if disk in seen:
                continue
            if disk is not None:
                seen.add(disk)
            ok, text = full(percent, self.watch.percent)
            title = f"disk {name.partition('.')[2]}"
            rule = Rule(self.watch.after, self.watch.urgent)
            found.append(Finding(name, title, ok, text, rule))
        return found

    async def _measured(self, place: Path) -> Measure:
        """One measurement; a disk that hangs, like a dead network mount, is not asked again."""
        try:
            return await in_one_thread(("disk", place), partial(measure, place), PATIENCE_SECONDS)
        except TimeoutError:
            return None, None


def measure(place: Path) -> Measure:
    """How full the disk under a folder is."""
    import psutil  # the first look pays

    try:
        return place.stat().st_dev, psutil.disk_usage(str(place)).percent
    except OSError:
        return None, None


def full(percent: float | None, limit: float) -> tuple[bool | None, str]:
    """Whether a disk has room, None on the brink of it; and what is wrong."""
    if percent is None:
        return False, "cannot be read"
    if percent >= limit:
        return False, f"{percent:.0f}% full"
    return (True if percent < limit - SLACK else None), ""


@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """The certificate of the SMTP door, as it is in its file now."""

    file: Path
    watch: CertificateWatch
    names: frozenset[str] = frozenset({"certificate"})

    def next(self, now: datetime) -> datetime | None:
        """A few times a day."""
        return now + CERTIFICATE_EVERY

    async def look(self, now: datetime) -> Sequence[Finding | Notice]:
        """Read its last day."""
        end = await asyncio.to_thread(last_day, self.file)
        wrong = ending(end, now, self.watch.before)
        rule = Rule(0.0, self.watch.urgent)
        return [Finding("certificate", "certificate", wrong is None, wrong or "", rule)]


def last_day(file: Path) -> datetime | None:
    """When the first certificate of a PEM file ends; None when it cannot be read."""
    from cryptography import x509  # the first look pays

    try:
        return x509.load_pem_x509_certificates(file.read_bytes())[0].not_valid_after_utc
    except (OSError, ValueError):
        return None


def ending(end: datetime | None, now: datetime, before: float) -> str | None:
    """What is to be told of a certificate's end, None while it is far."""
    if end is None:
        return "cannot be read"
    left = (end - now.astimezone(UTC)).total_seconds()
    day = f"{end.day} {end:%b}"
    if left <= 0:
        return f"ended on {day}"
    if left > before:
        return None
    days = int(left // DAY)
    return f"ends on {day}, in {days} {'day' if days == 1 else 'days'}"
