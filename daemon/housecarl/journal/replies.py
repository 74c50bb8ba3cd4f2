"""Replies: what goes out, until it is sent or refused."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from typing import NamedTuple


class Outgoing(NamedTuple):
    """One reply, follow-up, challenge or alert, ready to send; `address` None: no way back."""

    person: str
    kind: str
    address: str | None
    message_id: str
    text: str
    mail: bytes
    created: float
    receipt: str | None = None
    parts: int = 1
    #: seconds since 1970 before which it is not sent (a limit on outgoing texts)
    not_before: float = 0.0
    #: why it can never be sent; it is kept, as one that a smarthost refused
    error: str | None = None


class Due(NamedTuple):
    """One reply that is to be sent now, due `since` then; `id` also gives the order."""

    id: int
    person: str
    to: str
    mail: bytes
    tries: int
    created: float
    since: float
    kind: str = "reply"


#: Seconds: a pause after a try that failed is never longer (the post's longest is 30 min), nor is a
#: reply made so much in the future; else the clock was set back, and the reply is due now.
LONGEST_PAUSE, SET_BACK = 1800.0, 60.0

#: Whether a reply has to wait at `:now`, which `moments` spells out.
WAITS = "next_try > :now AND created <= :soon AND (tries = 0 OR next_try <= :latest)"


def add(conn: sqlite3.Connection, out: Outgoing) -> int:
    """Queue one; returns its id.

    Without an address it is only recorded, as "no-way", and with an error as "refused".
    """
    state = "refused" if out.error else "waiting" if out.address else "no-way"
    cursor = conn.execute(
        "INSERT INTO replies (receipt, person, kind, address, message_id, text, mail, parts, "
        "created, next_try, state, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            out.receipt,
            out.person,
            out.kind,
            out.address,
            out.message_id,
            out.text,
            None if out.error else out.mail,
            out.parts,
            out.created,
            max(out.created, out.not_before),
            state,
            out.error,
        ),
    )
    return int(cursor.lastrowid or 0)


#: Behind what each person's later replies wait: `only` the address, NULL for all of them.
_HELD = (
    "WITH held(person, only, first) AS MATERIALIZED "
    "(SELECT person, iif(tries = 0, address, NULL), min(id) FROM replies INDEXED BY replies_due "
    f"WHERE state = 'waiting' AND {WAITS} GROUP BY 1, 2)"
)
_WAITING = "replies AS r INDEXED BY replies_waiting WHERE state = 'waiting'"
_FREE = (
    "NOT EXISTS (SELECT 1 FROM held WHERE held.person = r.person AND first < r.id "
    "AND (only IS NULL OR only = r.address AND kind <> 'challenge'))"
)


def due(conn: sqlite3.Connection, now: float, limit: int) -> list[Due]:
    """What is to be sent now, oldest first; a person's later reply waits behind an earlier one.

    Behind a text that waits for the budget, which nothing was tried of, only what goes to the same
    address does: a mail has no part in that, and a challenge would come after its end.

    The indices are named because the planner would walk all that was ever sent to a person. One bit
    of a row makes bytes of a text, or a text of bytes; here each becomes what it was.
    """
    rows = conn.execute(
        f"{_HELD} SELECT id, person, CAST(address AS TEXT) AS 'to', CAST(mail AS BLOB) AS mail, "
        "tries, created, next_try AS since, kind "
        f"FROM {_WAITING} AND NOT ({WAITS}) AND {_FREE} ORDER BY id LIMIT :limit",
        moments(now) | {"limit": limit},
    )
    return [Due(**dict(row)) for row in rows]


def next_due(conn: sqlite3.Connection, after: float) -> float | None:
    """When the next reply is to be tried that is not due at `after` yet; None when there is none.

    What waits only behind an earlier reply of its person is due with that one.
    """
    row = conn.execute(
        f"SELECT min(next_try) FROM replies WHERE state = 'waiting' AND {WAITS}", moments(after)
    ).fetchone()
    return None if row[0] is None else float(row[0])


def moments(now: float) -> dict[str, float]:
    """What WAITS asks about a moment."""
    return {"now": now, "soon": now + SET_BACK, "latest": now + LONGEST_PAUSE}


def sent(conn: sqlite3.Connection, ids: list[int], at: float) -> None:
    """Note that the smarthost took them; the mail itself is dropped."""
    conn.executemany(
        "UPDATE replies SET state = 'sent', mail = NULL, error = NULL, ended = ? WHERE id = ?",
        [(at, reply) for reply in ids],
    )


def later(conn: sqlite3.Connection, reply: int, next_try: float, error: str) -> None:
    """Note a try that failed for now."""
    conn.execute(
        "UPDATE replies SET tries = tries + 1, next_try = ?, error = ? WHERE id = ?",
        (next_try, error, reply),
    )


def vain(conn: sqlite3.Connection, reply: int, error: str) -> None:
    """Note a try that failed by no fault of the reply: it stays due."""
    conn.execute("UPDATE replies SET tries = tries + 1, error = ? WHERE id = ?", (error, reply))


def refused(conn: sqlite3.Connection, reply: int, error: str, at: float) -> None:
    """Note that it will never be taken; the mail is kept for `queue retry`.

    One that was given up while it was on its way stays given up.
    """
    conn.execute(
        "UPDATE replies SET state = 'refused', tries = tries + 1, error = ?, ended = ? "
        "WHERE id = ? AND state = 'waiting'",
        (error, at, reply),
    )


def retry(conn: sqlite3.Connection, reply: int, now: float) -> bool:
    """Try one again now, whether it waits or was refused; False when there is none to try.

    It counts as one that was tried, which no budget keeps back.
    """
    cursor = conn.execute(
        "UPDATE replies SET state = 'waiting', tries = max(tries, 1), next_try = ?, ended = NULL "
        "WHERE id = ? AND state IN ('waiting', 'refused') AND mail IS NOT NULL",
        (now, reply),
    )
    return cursor.rowcount > 0


def drop(conn: sqlite3.Connection, reply: int, now: float) -> bool:
    """Give one up; False when it is not waiting or refused."""
    cursor = conn.execute(
        "UPDATE replies SET state = 'dropped', mail = NULL, ended = ? "
        "WHERE id = ? AND state IN ('waiting', 'refused')",
        (now, reply),
    )
    return cursor.rowcount > 0


def over(conn: sqlite3.Connection, ids: Collection[int]) -> set[int]:
    """Which of these are waiting no more."""
    rows = conn.execute(
        "SELECT value FROM json_each(?) WHERE value NOT IN "
        "(SELECT id FROM replies INDEXED BY replies_waiting WHERE state = 'waiting')",
        (json.dumps(list(ids)),),
    )
    return {int(number) for (number,) in rows}


def queue(conn: sqlite3.Connection) -> list[sqlite3.Row]:
    """What waits or was refused, oldest first."""
    return conn.execute(
        "SELECT id, receipt, person, kind, address, text, created, tries, next_try, state, error "
        "FROM replies WHERE id IN (SELECT id FROM replies WHERE state = 'waiting' "
        "UNION ALL SELECT id FROM replies WHERE state = 'refused') ORDER BY id"
    ).fetchall()


def of(conn: sqlite3.Connection, receipt: str) -> list[sqlite3.Row]:
    """Everything that went out, or should, for one message."""
    return conn.execute(
        "SELECT id, kind, address, message_id, text, parts, created, tries, state, error, ended "
        "FROM replies WHERE receipt = ? ORDER BY id",
        (receipt,),
    ).fetchall()


def answer_to(conn: sqlite3.Connection, key: str) -> str | None:
    """What was answered to the message with this key; "" when it was not, None while it runs."""
    row = conn.execute(
        "SELECT receipts.state, (SELECT text FROM replies WHERE receipt = receipts.id "
        "ORDER BY replies.id LIMIT 1) FROM keys JOIN receipts ON receipts.id = keys.receipt "
        "WHERE key = ?",
        (key,),
    ).fetchone()
    if row is None or row[0] in ("waiting", "started"):
        return None
    return str(row[1] or "")


def late(conn: sqlite3.Connection, now: float) -> float | None:
    """Since when the oldest waits that should have gone by now; None when there is none.

    A text that waits for the budget is not late, nor is what waits behind it.
    """
    row = conn.execute(
        f"{_HELD} SELECT min(iif(tries > 0, created, next_try)) FROM {_WAITING} "
        f"AND (tries > 0 OR NOT ({WAITS}) AND {_FREE})",
        moments(now),
    ).fetchone()
    return None if row[0] is None else float(row[0])


def count_waiting(conn: sqlite3.Connection) -> tuple[int, str | None]:
    """How many wait, and an error that one of them met."""
    row = conn.execute(
        "SELECT count(*), max(error) FROM replies WHERE state = 'waiting'"
    ).fetchone()
    return int(row[0]), row[1]
