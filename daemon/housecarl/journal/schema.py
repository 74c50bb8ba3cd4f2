"""The tables of the journal and how an older journal becomes a newer one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from housecarl.errors import JournalDamaged, JournalError, JournalNewer

#: Each entry brings a journal from version n (its index) to n + 1. An entry that is here never
#: changes: add one. It may only add (tables, indices, columns with a default), since a daemon of
#: the former version may still run on it. docs/journal.md says how.
MIGRATIONS = (
    """
    -- one row per message that was taken from the spool
    CREATE TABLE receipts (
        id        TEXT PRIMARY KEY,          -- 16 hex digits, the id in the file name
        file      TEXT NOT NULL,             -- the name for life
        arrived   REAL NOT NULL,             -- seconds since 1970, the door's clock
        door      TEXT NOT NULL,
        kind      TEXT NOT NULL DEFAULT '',
        person    TEXT,
        sender    TEXT,
        proof     TEXT NOT NULL DEFAULT '',
        verdict   TEXT NOT NULL DEFAULT '',  -- run | confirm | refuse | ignore
        reason    TEXT,
        calls     TEXT NOT NULL DEFAULT '[]',
        sent      REAL,
        reply_to  TEXT,
        thread    TEXT NOT NULL DEFAULT '{}',
        checks    TEXT NOT NULL DEFAULT '{}',
        state     TEXT NOT NULL,             -- waiting | started | executed | refused | failed
        tries     INTEGER NOT NULL DEFAULT 0,
        next_try  REAL
    ) WITHOUT ROWID;
    CREATE INDEX receipts_arrived ON receipts(arrived);
    CREATE INDEX receipts_person ON receipts(person, arrived);
    CREATE INDEX receipts_open ON receipts(state) WHERE state IN ('waiting', 'started');

    -- what says "the same message"; kept longer than any message may be late
    CREATE TABLE keys (
        key       TEXT PRIMARY KEY,
        receipt   TEXT NOT NULL,
        at        REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX keys_at ON keys(at);

    -- one row per command of a message
    CREATE TABLE runs (
        receipt   TEXT NOT NULL,
        n         INTEGER NOT NULL,          -- place of the call in its message, from 0
        command   TEXT NOT NULL,
        words     TEXT NOT NULL,             -- JSON list: name, arguments
        person    TEXT NOT NULL,
        risk      TEXT NOT NULL,
        started   REAL NOT NULL,
        ended     REAL,
        outcome   TEXT,                      -- done | failed | timeout | refused | interrupted
        text      TEXT NOT NULL DEFAULT '',
        detail    TEXT NOT NULL DEFAULT '',  -- for the operator
        PRIMARY KEY (receipt, n)
    ) WITHOUT ROWID;
    CREATE INDEX runs_recent ON runs(person, started);

    -- replies and alerts on their way out, and what became of them
    CREATE TABLE replies (
        id         INTEGER PRIMARY KEY,
        receipt    TEXT,
        person     TEXT NOT NULL,
        kind       TEXT NOT NULL,            -- reply | follow-up | alert | challenge
        address    TEXT,                     -- NULL: no way back
        message_id TEXT NOT NULL,
        text       TEXT NOT NULL,
        mail       BLOB,                     -- dropped once it is sent
        parts      INTEGER NOT NULL DEFAULT 1,
        created    REAL NOT NULL,
        tries      INTEGER NOT NULL DEFAULT 0,
        next_try   REAL,
        state      TEXT NOT NULL,            -- waiting | sent | refused | no-way | dropped
        error      TEXT,
        ended      REAL
    );
    CREATE INDEX replies_due ON replies(next_try) WHERE state = 'waiting';
    CREATE INDEX replies_waiting ON replies(id) WHERE state = 'waiting';
    CREATE INDEX replies_receipt ON replies(receipt);
    CREATE INDEX replies_person ON replies(person, created);

    -- where a person is reached: conversations pinned on first use, and the last one used
    CREATE TABLE ways (
        person    TEXT NOT NULL,
        address   TEXT NOT NULL,
        sender    TEXT NOT NULL DEFAULT '',
        token     TEXT NOT NULL DEFAULT '',
        kind      TEXT NOT NULL,             -- sms | mail
        used      REAL NOT NULL,
        PRIMARY KEY (person, address)
    ) WITHOUT ROWID;

    -- one-time codes waiting for their !yes, and TOTP steps that were used
    CREATE TABLE codes (
        id        INTEGER PRIMARY KEY,
        person    TEXT NOT NULL,
        code      TEXT NOT NULL,
        words     TEXT NOT NULL,
        receipt   TEXT NOT NULL,
        created   REAL NOT NULL,
        expires   REAL NOT NULL,
        tries     INTEGER NOT NULL DEFAULT 0,
        state     TEXT NOT NULL              -- waiting | used | cancelled | spent
    );
    CREATE INDEX codes_person ON codes(person, state);
    CREATE TABLE totp_steps (
        person    TEXT NOT NULL,
        step      INTEGER NOT NULL,
        PRIMARY KEY (person, step)
    ) WITHOUT ROWID;
    CREATE TABLE wrong_codes (
        person    TEXT NOT NULL,
        at        REAL NOT NULL
    );
    CREATE INDEX wrong_codes_person ON wrong_codes(person, at);

    -- people who were switched off: a lost phone
    CREATE TABLE people_off (
        person    TEXT PRIMARY KEY,
        at        REAL NOT NULL
    ) WITHOUT ROWID;

    -- the rest of a long reply, for !more
    CREATE TABLE pages (
        person    TEXT PRIMARY KEY,
        rest      TEXT NOT NULL,             -- JSON list of texts still to send
        at        REAL NOT NULL
    ) WITHOUT ROWID;

    -- what modules keep: small values, and series of readings
    CREATE TABLE stored (
        module    TEXT NOT NULL,
        key       TEXT NOT NULL,
        value     TEXT NOT NULL,
        at        REAL NOT NULL,
        PRIMARY KEY (module, key)
    ) WITHOUT ROWID;
    CREATE TABLE readings (
        module    TEXT NOT NULL,
        series    TEXT NOT NULL,
        at        REAL NOT NULL,
        value     REAL NOT NULL,
        PRIMARY KEY (module, series, at)
    ) WITHOUT ROWID;

    -- commands for later and for regularly
    CREATE TABLE jobs (
        id        INTEGER PRIMARY KEY,
        person    TEXT NOT NULL,
        text      TEXT NOT NULL,
        due       REAL NOT NULL,
        every     TEXT,                      -- NULL: once
        receipt   TEXT NOT NULL,             -- who asked, where and how
        created   REAL NOT NULL,
        state     TEXT NOT NULL              -- waiting | done | missed | cancelled
    );
    CREATE INDEX jobs_due ON jobs(due) WHERE state = 'waiting';

    -- how each part of the house is right now: a door, the post, a module file
    CREATE TABLE conditions (
        name      TEXT PRIMARY KEY,          -- door.imap, post, module.FILE ...
        ok        INTEGER NOT NULL,
        text      TEXT NOT NULL,
        since     REAL NOT NULL
    ) WITHOUT ROWID;

    -- what happened to the house itself: a door lost and back, a reload, a warning
    CREATE TABLE events (
        id        INTEGER PRIMARY KEY,
        at        REAL NOT NULL,
        kind      TEXT NOT NULL,
        text      TEXT NOT NULL,
        data      TEXT NOT NULL DEFAULT '{}'
    );
    CREATE INDEX events_kind ON events(kind, at);
    """,
    """
    -- `log --failed` finds the few that did not end well among millions that did
    CREATE INDEX receipts_failed ON receipts(id) WHERE state = 'failed';
    CREATE INDEX runs_unwell ON runs(receipt) WHERE outcome IN ('failed', 'timeout', 'interrupted');
    """,
    """
    -- the very first journals said version 1 and had neither
    CREATE TABLE IF NOT EXISTS conditions (
        name      TEXT PRIMARY KEY,
        ok        INTEGER NOT NULL,
        text      TEXT NOT NULL,
        since     REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS replies_waiting ON replies(id) WHERE state = 'waiting';
    """,
    """
    -- each text asks how many went in the last hour and day, and `queue` what was refused
    CREATE INDEX replies_texts ON replies(created) WHERE address LIKE '%@txt.voice.google.com';
    CREATE INDEX replies_refused ON replies(id) WHERE state = 'refused';
    """,
    """
    -- a text counts when it leaves or is due to, which may be long after it was made; replies_texts
    -- stays for a daemon of the former version
    CREATE INDEX replies_leaving ON replies(coalesce(ended, next_try))
        WHERE address LIKE '%@txt.voice.google.com' AND state IN ('waiting', 'sent');
    """,
)

#: The version this housecarl reads and writes.
VERSION = len(MIGRATIONS)

#: Versions that a newer housecarl may be ahead of this one. A version is one step of years; what is
#: further away was never written by anybody.
AHEAD = 100


def migrate(conn: sqlite3.Connection) -> None:
    """Bring the journal to VERSION, all steps in one transaction.

    Raises JournalNewer, and JournalDamaged when the version is not that of what is there.
    """
    if _known(conn) == VERSION:
        return
    conn.execute("BEGIN IMMEDIATE")
    try:
        # of a daemon and a verb that open a new journal at the same moment one is first
        for step in MIGRATIONS[_known(conn) :]:
            for statement in _statements(step):
                conn.execute(statement)
        conn.execute(f"PRAGMA user_version = {VERSION}")
        conn.execute("COMMIT")
    except BaseException as error:
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        if isinstance(error, sqlite3.OperationalError) and "already exists" in str(error):
            raise JournalDamaged(f"its version is too small, {error}") from error
        raise


def check(conn: sqlite3.Connection) -> None:
    """For who only reads: raises what `migrate` does, or JournalError for one that is older."""
    version = _known(conn)
    if version < VERSION:
        raise JournalError(
            f"the journal is of version {version}, this housecarl reads {VERSION}: "
            "start or restart the daemon, which brings it up to date"
        )


def _known(conn: sqlite3.Connection) -> int:
    version = int(conn.execute("PRAGMA user_version").fetchone()[0])
    if not 0 <= version <= VERSION + AHEAD:
        raise JournalDamaged(f"its version is {version}")
    if version > VERSION:
        raise JournalNewer(
            f"the journal is of version {version}, this housecarl knows {VERSION}: "
            "install the newer housecarl again, or restore the backup made before it"
        )
    return version


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, each with the comments before it."""
    statement = ""
    for piece in script.split(";")[:-1]:
        statement += f"{piece};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
