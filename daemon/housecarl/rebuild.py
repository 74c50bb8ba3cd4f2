"""A damaged journal: found at a start, set aside, and built anew from what the folders know."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import structlog

from housecarl.clock import Clock
from housecarl.disk import is_there, rename, sync_folder
from housecarl.envelope import Answer
from housecarl.errors import JournalDamaged, StorageError
from housecarl.journal import SIDES, conditions, connect, events, fault, mark_of, people, receipts
from housecarl.journal.conditions import Condition
from housecarl.journal.events import Event
from housecarl.journal.receipts import Receipt
from housecarl.message.google_voice import numbers
from housecarl.message.name import id_of
from housecarl.module import Reply
from housecarl.notify import Progress
from housecarl.outbox import Outbox
from housecarl.remains import Remains, is_lost

log = structlog.get_logger()

#: Bytes up to which every start reads the whole journal (64 MiB: about 0.1 s); a larger one is read
#: only when damage was met in it.
LOOK_BYTES = 64 * 1024 * 1024

#: Instructions of SQLite's machine between two signs of life: some milliseconds.
STEPS = 100_000

#: What a file is called that was set aside, before its time.
ASIDE = "journal.damaged-"

#: The check that marks a message of which a lost journal may have known more.
DOUBT = "journal"

_LOST = "Jobs, codes and replies not yet sent are lost; changes that waited do not run."


@dataclass(frozen=True, slots=True)
class Rebuild:
    """Looks at the journal before it is opened; for the daemon alone, which holds the spool."""

    path: Path
    remains: Remains
    outbox: Outbox
    clock: Clock
    progress: Progress = field(default_factory=Progress)

    def mend(self) -> None:
        """Return with a whole journal in place.

        A crash on the way is taken up by the next call. Raises StorageError when the disk fails,
        JournalError when the journal is a newer housecarl's.
        """
        try:
            if not is_there(self._built):
                found = self._fault()
                if found is None:
                    return
                self._build(found)
            self._replace()
        except OSError as error:
            raise StorageError(f"the journal {self.path}: {error.strerror}") from error

    @property
    def _built(self) -> Path:
        """A new journal that is whole and not yet in its place."""
        return self.path.with_name("journal.rebuilt")

    def _fault(self) -> str | None:
        """What is wrong with the journal; None when nothing is."""
        if is_lost(self.remains.config.spool, self.path):
            return "the journal is gone"
        try:
            conn = connect(self.path)
        except JournalDamaged as error:
            return str(error)
        conn.set_progress_handler(self._still_reading, STEPS)
        try:
            return _examine(conn, self.path)
        finally:
            conn.close()

    def _still_reading(self) -> int:
        """SQLite's sign of life; 0: go on."""
        self.progress("reading the journal")
        return 0

    def _build(self, found: str) -> None:
        """Write a new journal, whole before it gets its name."""
        part = self.path.with_name("journal.part")
        for side in SIDES:
            part.with_name(part.name + side).unlink(missing_ok=True)
        log.error("journal-damaged", why=found)
        off = _salvage_off(self.path)
        conn = connect(part)
        try:
            # into the file itself: what stays in a log beside it is not given its name
            conn.execute("PRAGMA journal_mode = OFF")
            conn.execute("BEGIN")
            self._fill(conn, off)
            conn.execute("COMMIT")
        except sqlite3.Error as error:
            raise fault(part, error) from error
        finally:
            conn.close()
        rename(str(part), str(self._built))
        sync_folder(self.path.parent)

    def _fill(self, conn: sqlite3.Connection, off: dict[str, float] | None) -> None:
        """Everything the folders know, and the word to the owner, in one transaction."""
        now = self.clock.now().timestamp()
        known, ways = 0, dict[tuple[str, object], people.Way]()
        for message in self.remains.filed(now):
            receipts.store(conn, message.receipt, message.keys)
            if message.way is not None and message.receipt.person:
                ways[message.receipt.person, numbers(message.way.address)] = message.way
            known += 1
            self.progress(f"building the journal anew: {known} messages")
        for (person, _), way in ways.items():
            people.use_way(conn, person, way)
        waiting = self.remains.waiting()
        for name, arrived in waiting:
            receipts.store(conn, _doubted(name, arrived))
        for name, at in (off or {}).items():
            people.switch_off(conn, name, at)
        forgot = "" if off is not None else " Who was switched off is forgotten: do it again."
        text = (
            f"the journal was damaged and is built anew from the folders (over: {known}, "
            f"waiting: {len(waiting)}). {_LOST}{forgot}"
        )
        events.add(conn, Event(now, "journal-rebuilt", text))
        for name in self.remains.owners(off or {}, self.clock.now()):
            said = Reply(f"My journal was damaged; I built it anew.{forgot} {_LOST}")
            answer = Answer(name, [said], "alert", part=f"rebuilt-{int(now)}")
            self.outbox.queue(conn, answer, None, now)
        log.error("journal-rebuilt", text=text)

    def _replace(self) -> None:
        """Set the damaged files aside, then give the new journal its name."""
        stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
        for side in SIDES:
            with contextlib.suppress(FileNotFoundError):
                rename(f"{self.path}{side}", f"{self.path.with_name(ASIDE + stamp)}{side}")
        mark_of(self.path).unlink(missing_ok=True)
        sync_folder(self.path.parent)
        rename(str(self._built), str(self.path))
        sync_folder(self.path.parent)


def _examine(conn: sqlite3.Connection, path: Path) -> str | None:
    """Read the whole file where that is quick; all of its indices too where damage was met."""
    mark = mark_of(path)
    is_met = is_there(mark)
    if not is_met and path.stat().st_size > LOOK_BYTES:
        return None
    look = "integrity_check" if is_met else "quick_check"
    try:
        said = str(conn.execute(f"PRAGMA {look}(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        found = fault(path, error)
        if not isinstance(found, JournalDamaged):
            raise found from error
        return str(found)
    if said != "ok":
        return said
    mark.unlink(missing_ok=True)
    return None


def _salvage_off(path: Path) -> dict[str, float] | None:
    """Who was switched off, if that page can still be read: a lost phone stays lost."""
    try:
        conn = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error:
        return None
    try:
        return people.off(conn)
    except (sqlite3.Error, ValueError, TypeError):
        return None
    finally:
        conn.close()


def _doubted(name: str, arrived: float) -> Receipt:
    checks = {DOUBT: "lost while this message waited"}
    return Receipt(id_of(name), name, arrived, "", checks=checks)


def doubted(conn: sqlite3.Connection) -> set[str]:
    """The ids of messages that waited when a journal was lost, and wait still."""
    return {each.id for each in receipts.find_open(conn) if DOUBT in each.checks}


def aside(folder: Path) -> list[str]:
    """The names of the damaged journals that were set aside, without their side files."""
    found = (path.name for path in folder.glob(f"{ASIDE}*"))
    return sorted(name for name in found if not name.endswith(SIDES[1:]))


def note_aside(conn: sqlite3.Connection, names: Iterable[str], now: float) -> None:
    """Keep it a trouble while a damaged journal lies there; one that was removed is none."""
    names = list(names)
    conditions.forget_gone(conn, "journal", [name.partition(".")[2] for name in names])
    for name in names:
        text = f"was damaged and is built anew; the old one is .journal/{name}: remove it, reload"
        conditions.note(conn, Condition(name, False, text, now))
