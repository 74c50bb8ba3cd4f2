"""What the journal counts: strangers of a day, the parts of a person's texts."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace

import pytest

from housecarl.journal import receipts, replies, strangers, texts
from housecarl.journal.receipts import Receipt
from housecarl.journal.replies import Outgoing
from housecarl.journal.strangers import Strangers

TEXTED = "13035550100.13035550123.abc@txt.voice.google.com"


def test_strangers_are_those_that_were_refused_unknown_or_unproven(
    conn: sqlite3.Connection,
) -> None:
    rows = [
        # at, sender, person, proof, verdict, state
        (10, "eve@example.net", None, "claimed", "refuse", "refused"),
        (11, None, None, "claimed", "refuse", "refused"),  # no message at all
        (12, "ann@example.org", "ann", "claimed", "refuse", "refused"),
        (13, "ann@example.org", "ann", "signed", "refuse", "refused"),  # ann, too late
        (14, "bounce@example.net", None, "claimed", "ignore", "refused"),
        (15, "ann@example.org", "ann", "signed", "run", "executed"),
        (99, "eve@example.net", None, "claimed", "refuse", "refused"),  # another day
    ]
    for at, sender, person, proof, verdict, state in rows:
        each = Receipt(f"{at:016x}", "x", at, "smtp", "sms", person, sender, proof, verdict)
        receipts.store(conn, replace(each, state=state))
    found = strangers.count(conn, 10.0, 99.0)
    assert found == Strangers(2, (("eve@example.net", 1),), (("ann", 1),))
    assert strangers.count(conn, 200.0, 300.0) == Strangers()


def test_of_many_strangers_the_three_are_named_that_sent_most(conn: sqlite3.Connection) -> None:
    for n in range(40):
        sender = f"s{n % 9 if n < 27 else n % 3}@example.net"
        each = Receipt(f"{n:016x}", "x", 1.0, "smtp", "sms", None, sender, "claimed", "refuse")
        receipts.store(conn, replace(each, state="refused"))
    found = strangers.count(conn, 0.0, 2.0)
    assert found.unknown == 40
    assert [name[:2] for name, _ in found.senders] == ["s0", "s1", "s2"]


def test_parts_are_those_of_texts_that_were_sent(conn: sqlite3.Connection) -> None:
    for person, address, created, parts, state in [
        ("ann", TEXTED, 10.0, 2, "sent"),
        ("ann", TEXTED, 11.0, 1, "sent"),
        ("ann", TEXTED, 12.0, 4, "waiting"),
        ("ann", TEXTED, 9.0, 8, "sent"),  # another month
        ("ann", "ann@example.org", 13.0, 16, "sent"),  # a mail
        ("bo", TEXTED, 14.0, 32, "dropped"),
    ]:
        out = Outgoing(person, "reply", address, "<x@y>", "x", b"x", created, parts=parts)
        reply = replies.add(conn, out)
        if state == "sent":
            replies.sent(conn, [reply], 20.0)
        elif state == "dropped":
            replies.drop(conn, reply, 20.0)
    assert texts.parts(conn, ["ann", "bo", "cy"], 10.0) == {"ann": 3}


def test_the_nth_newest_text_tells_when_the_budget_is_free_again(conn: sqlite3.Connection) -> None:
    """Mails, texts that left before that time and those that were given up use nothing of it."""
    for created, address, not_before, left in [
        (9.0, TEXTED, 0.0, 9.5),
        (9.0, TEXTED, 12.0, 12.5),  # was made before that time, and left after it
        (11.0, "ann@example.org", 0.0, 11.5),
        (12.0, TEXTED, 40.0, None),  # waits: it will have used the budget then
        (13.0, TEXTED, 0.0, None),
        (80.0, TEXTED, 0.0, 80.0),  # under a clock that was ahead
        (14.0, TEXTED, 0.0, None),
    ]:
        out = Outgoing("ann", "reply", address, "<x@y>", "x", b"x", created, not_before=not_before)
        last = replies.add(conn, out)
        if left is not None:
            replies.sent(conn, [last], left)
    replies.drop(conn, last, 20.0)
    found = [texts.nth(conn, "ann", 10.0, 14.0, n) for n in (1, 2, 3, 4)]
    assert found == [40.0, 14.0, 12.5, None], "who waited for the smarthost leaves now at best"


QUESTIONS: dict[str, Callable[[sqlite3.Connection], object]] = {
    "replies_person": lambda conn: texts.parts(conn, ["ann"], 10.0),
    "replies_leaving": lambda conn: texts.nth(conn, "ann", 10.0, 14.0, 5),
    "replies_waiting": lambda conn: texts.held(conn, "ann", TEXTED, 10.0),
    "replies_refused": replies.queue,
}


@pytest.mark.parametrize("index", QUESTIONS)
def test_what_is_asked_about_replies_walks_through_an_index_only(
    conn: sqlite3.Connection, index: str
) -> None:
    """Each text asks for the newest ones: a year of replies would make its answer late."""
    traced: list[str] = []
    conn.set_trace_callback(traced.append)
    QUESTIONS[index](conn)
    conn.set_trace_callback(None)
    plans = [conn.execute(f"EXPLAIN QUERY PLAN {asked}").fetchall() for asked in traced]
    plan = [row["detail"] for steps in plans for row in steps]
    assert any(index in step for step in plan), plan
    assert not any(step == "SCAN replies" for step in plan), plan
    if index == "replies_leaving":
        assert plan == [
            "SCAN replies USING INDEX replies_due",
            "SEARCH replies USING INDEX replies_leaving (<expr>>? AND <expr><?)",
        ], "and sorts none"
