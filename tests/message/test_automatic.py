"""What a program sent is recognised, keeps no text and has no way back."""

from __future__ import annotations

import pytest

from housecarl.message import Kind, gate, read
from housecarl.message.automatic import recognised

from .letters import letter, mixture

REPORT = "Content-Type: message/delivery-status\n\nAction: failed\n"


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (letter("x", sender="MAILER-DAEMON@example.org"), Kind.BOUNCE),
        (letter("x", sender="postmaster@example.org"), Kind.BOUNCE),
        (letter("x", "Return-Path: <>"), Kind.BOUNCE),
        (letter("x", "X-Failed-Recipients: bo@example.org"), Kind.BOUNCE),
        (mixture("report", "\nfailed", REPORT), Kind.BOUNCE),
        (letter("Action: failed", "Content-Type: message/delivery-status"), Kind.BOUNCE),
        (mixture("report", "\nread", "Content-Type: text/plain\n\nx"), Kind.AUTO),
        (letter("x", "Auto-Submitted: auto-replied"), Kind.AUTO),
        (letter("x", "Auto-Submitted: auto-generated (cron); x=y"), Kind.AUTO),
        (letter("x", "Precedence: bulk"), Kind.AUTO),
        (letter("x", "Precedence: List"), Kind.AUTO),
        (letter("x", "List-Id: <a.example.org>"), Kind.AUTO),
        (letter("x", "List-Unsubscribe: <mailto:a@example.org>"), Kind.AUTO),
        (letter("x", "X-Autoreply: yes"), Kind.AUTO),
        (letter("x", "X-Auto-Response-Suppress: All"), Kind.AUTO),
        (letter("x", "X-Loop: house@example.org"), Kind.AUTO),
        (letter("x", sender="no-reply@example.org"), Kind.AUTO),
        (letter("x", sender="donotreply+1@example.org"), Kind.AUTO),
        (letter("x", *["Received: by a"] * 31), Kind.AUTO),
    ],
)
def test_what_a_program_sent_has_no_text_and_no_way_back(raw: bytes, kind: Kind) -> None:
    message = read(raw)
    assert (message.kind, message.text, message.reply_to) == (kind, "", None)


@pytest.mark.parametrize(
    "raw",
    [
        letter("x"),
        letter("x", "Auto-Submitted: no"),
        letter("x", "Auto-Submitted: No (typed)"),
        letter("x", "Precedence: normal"),
        letter("x", "Return-Path: <ann@example.org>", "Return-Path: <>"),
        letter("x", "X-Auto-Response-Suppress: DR, OOF"),
        letter("x", *["Received: by a"] * 30),
        letter("x", sender="noreplyann@example.org"),
        letter("x", sender="bouncer@example.org"),
    ],
)
def test_what_a_person_sent_is_not_taken_for_a_programs(raw: bytes) -> None:
    assert recognised(gate(raw)) is None
