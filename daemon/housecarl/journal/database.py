"""The SQLite file behind the journal: one writer thread, commits grouped, one reader thread."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from housecarl.errors import JournalDamaged, JournalError, StorageError
from housecarl.journal.damage import fault
from housecarl.journal.schema import check, migrate
from housecarl.journal.text import lenient

T = TypeVar("T")
Do = Callable[[sqlite3.Connection], T]

#: Operations that share one commit at the most: bounds how long the first of them waits.
GROUP = 256

#: Operations in one commit from which on the next waits for more of them, and how long: a commit
#: writes the pages that all of them touch once, and who is alone never waits.
CROWD = 3
GATHER_SECONDS = 0.007

#: Seconds a writer waits for another process (a CLI verb) that holds the write lock.
BUSY_SECONDS = 10.0

#: Seconds a start waits for others who read before it empties the log. Somebody with sqlite3 at a
#: terminal may read for hours: then a later start does it.
EMPTY_SECONDS = 1.0

#: What SQLite says when the statement is at fault and not the disk or the file.
_OWN_FAULTS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError)


@dataclass(slots=True)
class _Job:
    do: Do[Any]
    done: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


def connect(path: Path, *, readonly: bool = False) -> sqlite3.Connection:
    """A connection with our settings; a writer's commit is on the disk when it returns.

    Raises JournalDamaged when the file is no journal, JournalNewer when a newer housecarl wrote
    it, JournalError when it is older and only read, StorageError when it cannot be opened.
    """
    uri = f"{path.absolute().as_uri()}?mode={'ro' if readonly else 'rwc'}"
    try:
        conn = sqlite3.connect(
            uri,
            uri=True,
            isolation_level=None,
            timeout=BUSY_SECONDS,
            check_same_thread=False,
            cached_statements=256,
        )
    except sqlite3.DatabaseError as error:
        raise fault(path, error) from error
    try:
        _set_up(conn, readonly)
    except (sqlite3.DatabaseError, JournalDamaged) as error:
        conn.close()
        raise fault(path, error) from error
    except JournalError:
        conn.close()
        raise
    try:
        if not readonly:
            path.chmod(0o600)
    except OSError as error:  # its disk went at this moment
        conn.close()
        raise StorageError.of(f"the journal {path}", error) from error
    return conn


def _set_up(conn: sqlite3.Connection, readonly: bool) -> None:
    conn.row_factory = sqlite3.Row
    conn.text_factory = lenient
    if readonly:
        conn.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        check(conn)
        return
    conn.execute("PRAGMA journal_mode = WAL")
    # FULL: every commit syncs the write-ahead log; claim and result are barriers.
    conn.execute("PRAGMA synchronous = FULL")
    migrate(conn)
    # changes no row: a damaged header may let SQLite read the file and never write it
    conn.execute("DELETE FROM stored WHERE false")


def _empty_log(path: Path, conn: sqlite3.Connection) -> None:
    """Bring what the last life left in the write-ahead log into the file; raises StorageError.

    After a sync that failed the log may not be on the disk as the kernel still shows it, and what
    was committed behind such a hole would be lost with the power.
    """
    try:
        conn.execute(f"PRAGMA busy_timeout = {EMPTY_SECONDS * 1000:.0f}")
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        conn.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")
    except sqlite3.DatabaseError as error:
        conn.close()
        raise fault(path, error) from error


class Database:
    """Runs functions of a connection: `write` in grouped transactions, `read` beside them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writes: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._reads: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def open(self) -> None:
        """Open the file, bring it up to date, start the threads; raises StorageError."""
        writer = connect(self.path)
        _empty_log(self.path, writer)
        reader = connect(self.path, readonly=True)
        for name, target, conn in (
            ("journal", self._write_all, writer),
            ("journal-read", self._read_all, reader),
        ):
            thread = threading.Thread(target=target, args=(conn,), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    async def close(self) -> None:
        """Commit what waits and end the threads; the writer last, so that one file is left."""
        jobs = (self._writes, self._reads)
        for waiting, thread in reversed(list(zip(jobs, self._threads, strict=False))):
            waiting.put(None)
            await asyncio.to_thread(thread.join)
        self._threads.clear()

    async def write(self, do: Do[T]) -> T:
        """Run `do` in a transaction shared with what else waits; returns once it is on the disk.

        An exception of `do` undoes only its own changes. `do` may be run twice, the first time in
        vain, when another of its group fails: it changes nothing but the journal. Raises
        StorageError when the disk fails.
        """
        job = _Job(do, asyncio.get_running_loop().create_future())
        self._writes.put(job)
        result: T = await job.done
        return result

    async def read(self, do: Do[T]) -> T:
        """Run `do` on a connection that cannot write; sees everything committed."""
        job = _Job(do, asyncio.get_running_loop().create_future())
        self._reads.put(job)
        result: T = await job.done
        return result

    def _write_all(self, conn: sqlite3.Connection) -> None:
        """The writer thread: one commit, hence one sync, for everything that waits."""
        going, crowded = True, False
        while going:
            group, going = _gather(self._writes, GATHER_SECONDS if crowded else 0.0)
            crowded = len(group) >= CROWD
            if group:
                self._commit(conn, group)
        conn.close()

    def _commit(self, conn: sqlite3.Connection, group: list[_Job]) -> None:
        try:
            conn.execute("BEGIN IMMEDIATE")
            if not _run_together(conn, group):
                conn.execute("ROLLBACK")
                conn.execute("BEGIN IMMEDIATE")
                for job in group:
                    _run_alone(conn, job)
            conn.execute("COMMIT")
        except sqlite3.Error as error:
            trouble = fault(self.path, error)
            for job in group:
                job.error = trouble
            if conn.in_transaction:
                try:
                    conn.execute("ROLLBACK")
                except sqlite3.Error:
                    pass  # the restart path opens the journal anew
        _deliver(group)

    def _read_all(self, conn: sqlite3.Connection) -> None:
        """The reader thread: one job at a time, each sees the newest commit."""
        while (job := self._reads.get()) is not None:
            try:
                job.result = job.do(conn)
            except _OWN_FAULTS as error:
                job.error = error
            except sqlite3.Error as error:
                job.error = fault(self.path, error)
            except Exception as error:  # noqa: BLE001 - belongs to whoever asked
                job.error = error
            _deliver([job])
        conn.close()


def _gather(jobs: queue.SimpleQueue[_Job | None], seconds: float) -> tuple[list[_Job], bool]:
    """Wait for one job and then for others, take what is there; False when the last was "close"."""
    job = jobs.get()
    if job is None:
        return [], False
    if seconds:
        time.sleep(seconds)
    group = [job]
    while len(group) < GROUP:
        try:
            job = jobs.get_nowait()
        except queue.Empty:
            break
        if job is None:
            return group, False
        group.append(job)
    return group, True


def _run_together(conn: sqlite3.Connection, group: list[_Job]) -> bool:
    """All jobs in the group's transaction as it is; False as soon as one of them fails.

    Savepoints are two statements more for each job, and nearly every job goes well.
    """
    for job in group:
        try:
            job.result = job.do(conn)
        except sqlite3.Error as error:
            if not isinstance(error, _OWN_FAULTS):
                raise
            return False
        except Exception:  # noqa: BLE001 - raised again where its changes are taken back
            return False
    return True


def _run_alone(conn: sqlite3.Connection, job: _Job) -> None:
    """One job inside the group's transaction; its own failure takes back only its own changes."""
    conn.execute("SAVEPOINT job")
    try:
        job.result = job.do(conn)
    except _OWN_FAULTS as error:
        job.error = error
        conn.execute("ROLLBACK TO job")
    except sqlite3.Error:
        raise  # the disk or the file itself: nobody's own fault, everybody's trouble
    except Exception as error:  # noqa: BLE001 - belongs to whoever asked
        job.error = error
        conn.execute("ROLLBACK TO job")
    conn.execute("RELEASE job")


def _deliver(group: list[_Job]) -> None:
    """Hand the results to their loop, all at once."""
    try:
        group[0].done.get_loop().call_soon_threadsafe(_resolve, group)
    except RuntimeError:
        pass  # the loop is gone: nobody waits any more


def _resolve(group: list[_Job]) -> None:
    for job in group:
        if job.done.done():
            continue
        if job.error is not None:
            job.done.set_exception(job.error)
        else:
            job.done.set_result(job.result)
