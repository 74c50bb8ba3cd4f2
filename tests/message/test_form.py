"""The gate: what it refuses, with the word it gives, and what it lets through."""

from __future__ import annotations

import pytest

from housecarl.errors import FormError
from housecarl.message.form import MAX_FIELDS, MAX_SIZE, gate

from .letters import letter, mixture

F = b"From: ann@example.org\r\n"
LONG_VALUE = (b"bo@example.org,\r\n " * 500) + b"cy@example.org\r\n"
LONG_PARAMETERS = b"".join(b";\r\n p%d=" % n + b"x" * 900 for n in range(5))


def refused(raw: bytes) -> str:
    with pytest.raises(FormError) as caught:
        gate(raw)
    return caught.value.reason


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty"),
        (letter("x" * 900 + "\n" * 300_000), "size"),
        (letter(b"a\x00b"), "nul"),
        (F + b"X: a\x00b\r\n\r\n", "nul"),
        (letter("!plug") + b"\rlamp", "bare-cr"),
        (letter("!plug") + b"\nlamp", "bare-lf"),
        (F.replace(b"\r\n", b"\n") + b"\n!plug", "bare-lf"),
        (F + b"X: a\rFrom: bo@example.org\r\n\r\n", "bare-cr"),
        (F + b"\n\r\n", "bare-lf"),
        (letter("x" * 999), "line-length"),
        (F + b"X: " + b"x" * 996 + b"\r\n\r\n", "line-length"),
        (F + (b"X: " + b"x" * 900 + b"\r\n") * 75 + b"\r\n", "header-size"),
        (F + b"X: y\r\n" * MAX_FIELDS + b"\r\n", "header-count"),
        (F + "Subject: Grüße\r\n\r\n".encode(), "header-8bit"),
        (F + b"Subject: a\x0bFrom: bo@example.org\r\n\r\n", "header-control"),
        (F + b"Subject: a\x1b[2J\r\n\r\n", "header-control"),
        (b" folded\r\n" + F + b"\r\n", "header-start"),
        (b"\t" + F + b"\r\n", "header-start"),
        (b"From ann@example.org Mon Nov 23\r\n" + F + b"\r\n", "header-line"),
        (F + b"From : bo@example.org\r\n\r\n", "header-line"),
        (b"From : bo@example.org\r\n" + F + b"\r\n", "header-line"),
        (F + b"From\t: bo@example.org\r\n\r\n", "header-line"),
        (F + b"no colon here\r\n\r\n", "header-line"),
        (F + b": no name\r\n\r\n", "header-line"),
        (F + F + b"\r\n", "twice"),
        (F + b"X: y\r\n" + F + b"\r\n", "twice"),
        (F + b"FROM: bo@example.org\r\n\r\n", "twice"),
        (F + b"DKIM-Signature: " + (b"b" * 900 + b"\r\n ") * 5 + b"b\r\n\r\n", "signature-size"),
        (F + b"ARC-Seal: b=" + b" " * 900 + b"\r\n " * 1100 + b"x\r\n\r\n", "signature-size"),
        (F + b"References: " + (b"<a@b>" * 100 + b"\r\n ") * 20 + b"x\r\n\r\n", "field-size"),
        (
            F + b"Authentication-Results: " + (b"x" * 900 + b"\r\n ") * 10 + b"x\r\n\r\n",
            "field-size",
        ),
        (F + b"Subject: a\r\n \r\n b\r\n\r\n", "blank-fold"),
        (F + b"Subject: a\r\n\t\r\n\r\n", "blank-fold"),
        (b"From: ann@example.org\r\n \r\nSubject: x\r\n\r\n", "blank-fold"),
        (b"Subject: x\r\n\r\n!plug lamp on", "from-missing"),
        (b"\r\n!plug lamp on", "from-missing"),
        (F + b"Content-Type: nonsense\r\n\r\n", "content-type"),
        (F + b"Content-Type: text/plain" + LONG_PARAMETERS + b"\r\n\r\n", "content-type"),
        (F + b"Content-Type: text/plain; charset=a; charset=b\r\n\r\n", "content-type"),
    ],
)
def test_what_the_gate_refuses(raw: bytes, reason: str) -> None:
    assert refused(raw) == reason


@pytest.mark.parametrize(
    "name",
    "Sender Reply-To To Cc Subject Date Message-ID In-Reply-To References MIME-Version "
    "Content-Type Content-Transfer-Encoding Content-Disposition".split(),
)
def test_a_field_that_may_stand_once_stands_once(name: str) -> None:
    assert refused(F + f"{name}: text/plain\r\n{name.lower()}: text/plain\r\n\r\n".encode()) == (
        "twice"
    )


@pytest.mark.parametrize(
    "raw",
    [
        F + b"\r\n",
        F,
        F[:-2],
        F + b"Received: a\r\nReceived: b\r\nDelivered-To: c\r\nDelivered-To: c\r\n\r\nx",
        F + b"X-MS-Has-Attach:\r\nSubject:\r\n folded at once\r\n\r\n",
        F + b"X-Note: a\r\n \r\n b\r\n\r\n",
        F + b"X: y\r\n" * (MAX_FIELDS - 1) + b"\r\n",
        F + b"X-Note: " + LONG_VALUE,
        F + b"To: " + LONG_VALUE + b"Cc: " + LONG_VALUE,
        letter("x" * 998),
        letter("From here on, only text\n>From there too"),
        letter("Größe".encode("latin-1")),
        letter("x" * 900 + "\n") + b"\r\n" * 120_000,
    ],
)
def test_what_the_gate_lets_through(raw: bytes) -> None:
    assert gate(raw).from_address == "ann@example.org"


def test_a_size_limit_of_the_door_counts() -> None:
    with pytest.raises(FormError, match="size"):
        gate(letter("x" * 80), max_size=100)
    assert gate(letter("x" * 80), max_size=len(letter("x" * 80)))
    assert len(gate(b"%b\r\n" % F + b"\r\n" * 30).raw) < MAX_SIZE


def test_the_form_keeps_one_reading_for_every_later_step() -> None:
    raw = letter("!uptime", "Received: a", "X-A: b\r\n\tc", "Received: d")
    form = gate(raw)
    assert [each.name for each in form.fields] == (
        "From Subject Message-ID Received X-A Received".split()
    )
    assert form.first("x-a") == "b\tc"
    assert form.first("received") == "a"
    assert form.first("to") is None
    assert raw[form.body :] == b"!uptime" == form.root.body
    assert form.message_id == "<1@example.org>"


@pytest.mark.parametrize("value", ["", "<a@b> <c@d>", "<a b>"])
def test_a_message_id_that_is_not_one_word_is_none(value: str) -> None:
    assert gate(F + f"Message-ID: {value}\r\n\r\n".encode()).message_id is None


def test_a_dropped_note_needs_no_from() -> None:
    form = gate(b"Content-Type: text/plain\r\n\r\n!uptime\r\n", needs_from=False)
    assert form.from_address is None
    assert gate(b"\r\n!uptime", needs_from=False).root.body == b"!uptime"


MIXED = "Content-Type: multipart/mixed; boundary={}"


def nested(depth: int) -> bytes:
    lines = [f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(depth)]
    head, body = "".join(lines).split("\n\n", 1)
    return letter(body + "\n!uptime\n", head)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (nested(1000), "mime-depth"),
        (nested(20), "mime-depth"),
        (mixture("mixed", *["\nx"] * 51), "mime-parts"),
        (mixture("mixed", "\nx", extra=("Content-Transfer-Encoding: base64",)), "mime-header"),
        (mixture("mixed", "not a field\n\nx"), "mime-header"),
        (mixture("mixed", "Content-Type: text/plain\nContent-Type: text/html\n\nx"), "mime-header"),
        (mixture("mixed", "Content-Type: text/plain"), "mime-header"),
        (letter("--b\n" + ("X: " + "y" * 900 + "\n") * 10, MIXED.format("b")), "mime-header"),
        (letter("--b--\n" + MIXED.format("b") + "\n\nx", MIXED.format("b--")), "mime-boundary"),
        (mixture("mixed", "X: " + "y" * 900 + ("\n " + "y" * 900) * 10 + "\n\nx"), "mime-header"),
        (letter("x", "Content-Type: multipart/mixed"), "mime-boundary"),
        (letter("x", "Content-Type: multipart/mixed; boundary=" + "b" * 71), "mime-boundary"),
        (letter("x", 'Content-Type: multipart/mixed; boundary="b "'), "mime-boundary"),
        (letter("x", "Content-Type: multipart/mixed; boundary=a; boundary=b"), "content-type"),
        (letter("x", "Content-Type: multipart/mixed; boundary*0=a"), "content-type"),
        (mixture("mixed", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n"), "mime-boundary"),
        (mixture("mixed", 'Content-Type: multipart/mixed; boundary="b--"\n\n'), "mime-boundary"),
    ],
)
def test_structures_that_are_refused(raw: bytes, reason: str) -> None:
    assert refused(raw) == reason


def test_a_boundary_that_reads_like_a_field_still_ends_its_part() -> None:
    body = "--b:c\nX: y\n--b:c\n\n!uptime\n--b:c--\n"
    assert refused(letter(body, 'Content-Type: multipart/mixed; boundary="b:c"')) == "mime-header"


def test_structures_at_the_limit_are_taken() -> None:
    assert gate(nested(19)).root.type == "multipart/mixed"
    assert gate(letter("x", MIXED.format("b" * 70))).root.type == "multipart/mixed"
    assert len(gate(mixture("mixed", *["\nx"] * 50)).root.children) == 50


def test_an_inner_part_ends_where_an_outer_boundary_stands() -> None:
    inner = "Content-Type: multipart/mixed; boundary=i\n\n--i\n\none\n"
    root = gate(mixture("mixed", inner, "\ntwo")).root
    assert [part.body for part in root.walk() if part.type == "text/plain"] == [b"one\r\n", b"two"]


def test_a_line_that_only_begins_like_the_boundary_is_text() -> None:
    root = gate(mixture("mixed", "\none\n--bee\n--b-\nend")).root
    assert root.children[0].body.endswith(b"end")
