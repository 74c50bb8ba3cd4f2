"""The mail a reply travels in."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import compat32, default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from housecarl import letter as letters
from housecarl.errors import PostRefused
from housecarl.letter import Letter, compose
from housecarl.message.address import is_plain
from housecarl.message.model import Thread

GOOGLE = "12025550100.12025550199.Qx7bN2mR-e@txt.voice.google.com"
ASKED = "<+12025550100.dcbd@txt.voice.google.com>"
LETTER = Letter(
    sender="house@gmail.com",
    to=GOOGLE,
    message_id="<7f3a.1@house.example>",
    date=datetime(2026, 11, 23, 10, 0, tzinfo=UTC),
    thread=Thread("New text message from (202) 555-0199", ASKED, ("<first@x>",)),
)
NAMES = [
    "Date",
    "From",
    "To",
    "Subject",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "X-Loop",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
]


def test_a_text_is_one_ascii_line_in_its_conversation() -> None:
    mail = compose(LETTER, "lamp on. 43 W now.")
    head, _, body = mail.partition(b"\r\n\r\n")
    assert body == b"lamp on. 43 W now.\r\n"
    parsed = message_from_bytes(mail, policy=default)
    assert parsed.keys() == NAMES
    assert parsed["Date"] == "Mon, 23 Nov 2026 10:00:00 +0000"
    assert parsed["Subject"] == "Re: New text message from (202) 555-0199"
    assert parsed["In-Reply-To"] == ASKED
    assert parsed["References"] == f"<first@x> {ASKED}"
    assert parsed["Auto-Submitted"] == "auto-replied"
    assert parsed["Message-ID"] == "<7f3a.1@house.example>"
    assert head.isascii()


def test_characters_beyond_ascii_survive_any_smarthost() -> None:
    mail = compose(LETTER, "Zürich 5 €, ¿qué?")
    assert mail.isascii()
    parsed = message_from_bytes(mail, policy=default)
    assert parsed.get_content() == "Zürich 5 €, ¿qué?\r\n"


def test_a_line_goes_as_it_is_unless_it_is_too_long_for_one() -> None:
    for text, encoding in (("lamp on.", "7bit"), ("x " * 600, "quoted-printable")):
        mail = compose(LETTER, text)
        parsed = message_from_bytes(mail, policy=default)
        assert parsed["Content-Transfer-Encoding"] == encoding
        assert parsed.get_content() == f"{text}\r\n"
        assert max(len(line) for line in mail.split(b"\r\n")) <= 998


def test_a_mail_has_text_and_html() -> None:
    html = "<p>41 °F</p>\n" + "<b>x</b>" * 300
    mail = compose(LETTER, "41 °F\n-- \nElm\n", html)
    parsed = message_from_bytes(mail, policy=default)
    assert not parsed.defects
    text, rich = parsed.iter_parts()
    assert (text.get_content_type(), text.get_content()) == ("text/plain", "41 °F\r\n-- \r\nElm")
    assert (rich.get_content_type(), rich.get_content()) == (
        "text/html",
        html.replace("\n", "\r\n"),
    )
    assert max(len(line) for line in mail.split(b"\r\n")) <= 998
    assert b"\n" not in mail.replace(b"\r\n", b"")


def test_an_alert_starts_a_conversation_of_its_own() -> None:
    parsed = message_from_bytes(compose(LETTER._replace(thread=Thread(), subject="Elm"), "x"))
    assert parsed["Subject"] == "Elm"
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed["In-Reply-To"] is None


def test_a_subject_in_any_script_reads_back_and_has_one_re() -> None:
    for subject in ("New text message from Юля 😀" * 5, "=?utf-8?q?hi=0D=0ABcc=3A_e=40x?="):
        mail = compose(LETTER._replace(thread=Thread(subject)), "x")
        parsed = message_from_bytes(mail, policy=default)
        assert str(parsed["Subject"]) == f"Re: {subject}"[:200]
        assert parsed["Bcc"] is None
        words = re.findall(rb"=\?utf-8\?b\?[^?]*\?=", mail)
        assert max(map(len, words)) <= 75, "the most of RFC 2047"
    mail = compose(LETTER._replace(thread=Thread("RE: hello")), "x")
    assert b"\r\nSubject: RE: hello\r\n" in mail


EVIL = [
    "\r\nBcc: e@x",
    "\nBcc: e@x",
    "\rBcc: e@x",
    "\x0bBcc: e@x",
    "\x85Bcc: e@x",
    "\u2028Bcc: e@x",
    "\0",
]


@pytest.mark.parametrize("evil", EVIL)
def test_nothing_from_outside_makes_a_header(evil: str) -> None:
    thread = Thread(f"hi{evil}", f"<a@b>{evil}", (f"<c@d>{evil}", "<e@f>", f"<g{evil}@h>"))
    parsed = message_from_bytes(compose(LETTER._replace(thread=thread), f"x{evil}", f"y{evil}"))
    assert parsed["Bcc"] is None
    assert parsed["In-Reply-To"] is None
    assert parsed["References"] == "<e@f>"
    for letter in (
        LETTER._replace(sender=f"a@b{evil}"),
        LETTER._replace(to=f"a@b{evil}"),
        LETTER._replace(message_id=f"<a@b>{evil}"),
    ):
        with pytest.raises(PostRefused):
            compose(letter, "x")


@pytest.mark.parametrize("evil", ["\r\nBcc: eve@x", "\nx", "\r\n\r\nx", "\r\n \r\n x", "\x00"])
def test_what_the_other_checks_miss_is_not_sent(monkeypatch: pytest.MonkeyPatch, evil: str) -> None:
    """The header block is read back before it goes: each line must be the one that was meant."""
    monkeypatch.setattr(letters, "_subject", lambda letter: f"hi{evil}")
    with pytest.raises(PostRefused, match="would not read back"):
        compose(LETTER, "x")


@pytest.mark.parametrize("local", ["a", "a" * 64])
def test_the_longest_address_that_a_configuration_takes_can_be_answered(local: str) -> None:
    domain = ("." + "b" * 43) * 6
    address = f"{local}@{domain[1 : 254 - len(local)]}"
    assert len(address) == 254 and is_plain(address)
    # the kind and the part of what a start tells of background work, which are the longest
    name = f"<housecarl.{'7' * 16}.follow-up.{'7' * 16}.{'7' * 19}@{address.partition('@')[2]}>"
    mail = compose(LETTER._replace(sender=address, to=address, message_id=name), "x")
    parsed = message_from_bytes(mail, policy=compat32)
    assert (parsed["From"], parsed["To"], parsed["Message-ID"]) == (address, address, name)


@pytest.mark.parametrize(
    "to", ["", "ann", "a b@c", "a@b, c@d", "Ann <a@b>", "a@ü", "a@b" + "c" * 300]
)
def test_an_odd_address_is_refused(to: str) -> None:
    with pytest.raises(PostRefused):
        compose(LETTER._replace(to=to), "x")


@given(
    st.text(max_size=300),
    st.text(max_size=60),
    st.lists(st.text(max_size=20), max_size=4),
    st.text(),
)
def test_any_thread_and_text_give_exactly_our_headers(
    subject: str, asked: str, references: list[str], text: str
) -> None:
    thread = Thread(subject, asked, tuple(references))
    mail = compose(LETTER._replace(thread=thread), text)
    parsed = message_from_bytes(mail, policy=compat32)
    assert [name for name in parsed if name not in ("In-Reply-To", "References")] == [
        name for name in NAMES if name not in ("In-Reply-To", "References")
    ]
    assert not parsed.defects
    assert b"\r" not in mail.replace(b"\r\n", b"")
    assert max(len(line) for line in mail.split(b"\r\n")) <= 998
