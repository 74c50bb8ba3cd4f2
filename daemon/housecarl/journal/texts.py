"""Texts: replies that a phone gets, of which so many may leave in an hour and in a day."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from housecarl.journal.replies import SET_BACK, WAITS, Outgoing, moments

#: Seconds before it is due in which a held text is left alone: the post may have it in hand by the
#: time that a change of it is committed.
IN_HAND = 10.0

#: Characters of a held text behind which nothing more is put: 200 pages, which nobody asks for one
#: by one, and all of them are cut anew each time while the journal is locked.
LONGEST_HELD = 32_000

#: Whether a reply goes where a mail becomes a text (Google Voice); the words of `replies_leaving`.
_TEXTED = "address LIKE '%@txt.voice.google.com'"


class Held(NamedTuple):
    """A text that waits for the budget: nothing of it was tried yet; `text` is all of it."""

    id: int
    text: str
    message_id: str


def held(conn: sqlite3.Connection, person: str, address: str, now: float) -> Held | None:
    """The text to this person that waits for the budget, behind all that wait with it.

    The index is named because the planner would walk all that was ever sent to a person.
    """
    row = conn.execute(
        "SELECT id, text, message_id, tries = 0 AND length(text) < :longest "
        f"AND next_try > :in_hand AND {WAITS} AS rests FROM replies INDEXED BY replies_waiting "
        "WHERE state = 'waiting' AND person = :person AND address = :address "
        "AND kind <> 'challenge' ORDER BY id DESC LIMIT 1",
        {
            **moments(now),
            "in_hand": now + IN_HAND,
            "longest": LONGEST_HELD,
            "person": person,
            "address": address,
        },
    ).fetchone()
    if row is None or not row["rests"]:
        return None
    return Held(int(row["id"]), str(row["text"]), str(row["message_id"]))


def rewrite(conn: sqlite3.Connection, reply: int, out: Outgoing) -> None:
    """Put the words of another into a reply that waits."""
    conn.execute(
        "UPDATE replies SET text = ?, mail = ?, parts = ? WHERE id = ? AND state = 'waiting'",
        (out.text, out.mail, out.parts, reply),
    )


def nth(conn: sqlite3.Connection, person: str, since: float, now: float, n: int) -> float | None:
    """When the n-th newest text after a time left or is to leave, None when there are fewer.

    What is due already leaves now at the earliest. Of what is due since before that time only this
    person's own counts: the smarthost may put off one of them for days, and take the others' texts.
    """
    rows = conn.execute(
        f"SELECT iif({WAITS}, next_try, :now) FROM replies INDEXED BY replies_due "
        f"WHERE state = 'waiting' AND {_TEXTED} AND (next_try > :since OR person = :person) "
        "ORDER BY next_try DESC LIMIT :n",
        {**moments(now), "since": since, "person": person, "n": n},
    )
    times = [float(at) for (at,) in rows]
    times += reversed(left(conn, since, now, n - len(times)))
    return sorted(times)[-n] if len(times) >= n else None


def left(conn: sqlite3.Connection, since: float, now: float, most: int) -> list[float]:
    """When the newest texts left after a time, `most` at most, the oldest first.

    Those that left in the future were noted by a clock that was set back since.
    """
    rows = conn.execute(
        "SELECT coalesce(ended, next_try) FROM replies INDEXED BY replies_leaving "
        "WHERE coalesce(ended, next_try) > ? AND coalesce(ended, next_try) <= ? "
        f"AND {_TEXTED} AND state IN ('waiting', 'sent') AND state = 'sent' "
        "ORDER BY 1 DESC LIMIT ?",
        (since, now + SET_BACK, most),
    )
    return [float(at) for (at,) in rows][::-1]


def keep_back(conn: sqlite3.Connection, reply: int, until: float, now: float) -> None:
    """Let one that nothing was tried of wait for the budget; `queue retry` may have been quicker.

    A time in the future at which it was made is of a clock that was set back: it would not wait.
    """
    conn.execute(
        "UPDATE replies SET next_try = ?, created = min(created, ?) "
        "WHERE id = ? AND state = 'waiting' AND tries = 0",
        (until, now, reply),
    )


def parts(conn: sqlite3.Connection, people: Iterable[str], since: float) -> dict[str, int]:
    """How many parts the texts to each of these people had since a time; who had none is left out.

    A text of 161 septets is two parts: what a carrier counts, and sometimes what it charges.
    """
    found = {}
    for person in people:
        row = conn.execute(
            "SELECT sum(parts) FROM replies WHERE person = ? AND created >= ? "
            f"AND state = 'sent' AND {_TEXTED}",
            (person, since),
        ).fetchone()
        if row[0]:
            found[person] = int(row[0])
    return found
