"""Mail from people's programs: what was typed comes out, whatever it was wrapped in."""

from __future__ import annotations

import base64
import quopri

import pytest

from housecarl.message import Kind, Thread, read

from .letters import letter, mixture, multipart

HTML = "Content-Type: text/html; charset=utf-8\n\n"
PLAIN = "Content-Type: text/plain; charset=utf-8\n\n"
ATTACHED = "Content-Disposition: attachment; filename=a.txt\n"
B64 = "Content-Transfer-Encoding: base64"
QP = "Content-Transfer-Encoding: quoted-printable"
FLOWED = "Content-Type: text/plain; format=flowed"
FULL = "!say" + " word" * 12


def inner(kind: str, *parts: str) -> str:
    line, body = multipart(kind, *parts, boundary="inner")
    return f"{line}\n\n{body.decode()}"


def encoded(charset: str, text: str) -> bytes:
    body = base64.encodebytes(text.encode(charset))
    return letter(body, f"Content-Type: text/plain; charset={charset}", B64)


@pytest.mark.parametrize(
    "raw",
    [
        letter("!plug lamp on"),
        letter("\n\n!plug lamp on\n\n"),
        letter(base64.encodebytes(b"!plug lamp on\r\n"), B64),
        letter(quopri.encodestring(b"!plug lamp o=\nn").replace(b"=3D", b"="), QP),
        letter("!plug lamp on", "Content-Type: TEXT/PLAIN; CHARSET=us-ascii (plain)"),
        letter("!plug lamp on", "Content-Type: text/plain;"),
        letter("!plug lamp on", "Content-Transfer-Encoding: 8bit"),
        letter("!plug lamp on", "Content-Transfer-Encoding: BINARY"),
        letter(base64.encodebytes(b"!plug lamp on\r\n"), B64.upper()),
        letter("--b\n\n!plug lamp on", "Content-Type: multipart/mixed; boundary=b"),
        letter("--bc\n\n!plug lamp on", 'Content-Type: multipart/mixed; boundary="b\\c"'),
        mixture("mixed", f"{PLAIN}!plug lamp on", extra=("Content-Transfer-Encoding: 7BIT",)),
        mixture(
            "mixed",
            b'Content-Type: multipart/mixed; boundary="\xf6"\n\nx',
            f"{PLAIN}!plug lamp on",
        ),
        letter("<p>!plug lamp on</p>", "Content-Type: text/html"),
        mixture("alternative", f"{PLAIN}!plug lamp on", f"{HTML}<p>other</p>"),
        mixture("alternative", f"{HTML}<p>other</p>", f"{PLAIN}!plug lamp on"),
        mixture("alternative", f"{PLAIN}  \n", f"{HTML}<p>!plug lamp on</p>"),
        mixture("alternative", f"{HTML}<b>!plug</b> lamp on<br>"),
        mixture("mixed", f"{PLAIN}!plug lamp on", f"{PLAIN}list footer"),
        mixture("mixed", "Content-Type: image/png\n\nx", f"{PLAIN}!plug lamp on"),
        mixture("mixed", f"{ATTACHED}{PLAIN}!plug heater on", f"{PLAIN}!plug lamp on"),
        mixture("mixed", f"{ATTACHED.upper()}{PLAIN}!plug heater on", f"{PLAIN}!plug lamp on"),
        mixture("mixed", f"X-Von: Gr\xf6\xdf\n{PLAIN}!plug lamp on".encode("latin-1")),
        mixture("mixed", inner("related", "Content-Type: image/gif\n\nx"), f"{PLAIN}!plug lamp on"),
        mixture("signed", f"{PLAIN}!plug lamp on", "Content-Type: application/pgp-signature\n\nx"),
        mixture("mixed", inner("alternative", f"{PLAIN}!plug lamp on", f"{HTML}other")),
        mixture(
            "alternative",
            f"{PLAIN}!plug lamp on",
            inner("related", f"{HTML}other", "Content-Type: image/gif\n\nx"),
        ),
    ],
)
def test_the_command_is_found(raw: bytes) -> None:
    message = read(raw)
    assert (message.kind, message.text) == (Kind.MAIL, "!plug lamp on")


@pytest.mark.parametrize(
    "raw",
    [
        mixture("mixed", "Content-Type: message/rfc822\n\nFrom: a@b\n\n!plug lamp on"),
        mixture("mixed", f"{ATTACHED}{PLAIN}!plug lamp on"),
        mixture("mixed", "Content-Type: application/ms-tnef\n\n!plug lamp on"),
        mixture("encrypted", "Content-Type: application/pgp-encrypted\n\n!plug lamp on"),
        letter("!plug lamp on", "Content-Type: text/calendar; method=REQUEST"),
        letter("!plug lamp on", "Content-Type: application/pkcs7-mime"),
        letter("!plug lamp on", "Content-Transfer-Encoding: x-uuencode"),
        letter("!!!", B64),
        letter("", HTML.strip()),
        mixture("alternative"),
        letter("--b\nContent-Type: text/plain", "Content-Type: multipart/mixed; boundary=b"),
    ],
)
def test_what_nobody_typed_is_no_text(raw: bytes) -> None:
    assert read(raw).text == ""


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("utf-8", "!say größer ✓"),
        ("utf-16", "!say größer ✓"),
        ("iso-8859-1", "!say größer"),
        ("windows-1252", "!say “größer”"),
        ("koi8-r", "!say дом"),
        ("iso-2022-jp", "!say 電気"),
        ("gb18030", "!say 电灯"),
        ("shift_jis", "!say 電気"),
    ],
)
def test_a_text_is_read_in_its_charset(charset: str, text: str) -> None:
    assert read(encoded(charset, text)).text == text


@pytest.mark.parametrize(
    ("data", "charset", "text"),
    [
        (b"!say \x93hi\x94", "iso-8859-1", "!say “hi”"),
        (b"!say \x93hi\x94", "ISO 8859:1", "!say “hi”"),
        ("!say дом".encode("koi8-r"), " KOI8-R ", "!say дом"),
        ("!say größer".encode(), "us-ascii", "!say größer"),
        ("!say größer".encode(), "x-unknown", "!say größer"),
        ("!say größer".encode(), "../../etc/passwd", "!say größer"),
        (b"!say \xff", "utf-8", "!say \ufffd"),
        (b"!say +ACE-x", "utf-7", "!say +ACE-x"),
        (b"!say xn--a", "punycode", "!say xn--a"),
        (b"!say hex", "hex", "!say hex"),
        (b"!say \\x21", "unicode_escape", "!say \\x21"),
        ("\ufeff!say hi".encode(), "utf-8", "!say hi"),
    ],
)
def test_charsets_that_lie_or_are_none(data: bytes, charset: str, text: str) -> None:
    assert read(letter(data, f'Content-Type: text/plain; charset="{charset}"')).text == text


def test_a_comment_in_a_content_type_hides_no_charset() -> None:
    line = "Content-Type: text/plain; (as sent) CHARSET=iso-8859-1"
    assert read(letter("!say größer".encode("latin-1"), line)).text == "!say größer"


def test_a_return_alone_ends_a_line_too() -> None:
    assert read(letter(base64.encodebytes(b"!a\r!b\r\n"), B64)).text == "!a\n!b"


def test_a_nul_inside_base64_is_seen_as_broken() -> None:
    assert read(letter(base64.encodebytes(b"!plug\x00 lamp"), B64)).text == "!plug\ufffd lamp"


@pytest.mark.parametrize(
    ("body", "delsp", "text"),
    [
        (f"{FULL} \nline\nnext", False, f"{FULL} line\nnext"),
        (f"{FULL} \nline", True, f"{FULL}line"),
        (f"{FULL}  \ntwo", True, f"{FULL} two"),
        (f"{FULL} \n{FULL} \nend", False, f"{FULL} {FULL} end"),
        (f"{FULL} \n \nnext", False, f"{FULL} \n\nnext"),
        # a line is 60 columns with the first word of the next one, or 61
        ("!" + "a" * 55 + " \nbed rest", False, "!" + "a" * 55 + " \nbed rest"),
        ("!" + "a" * 55 + " \nbeds", False, "!" + "a" * 55 + " beds"),
        (" !stuffed", False, "!stuffed"),
        ("a\n-- \nAnn", False, "a\n-- \nAnn"),
        ("a \n-- \nAnn", False, "a \n-- \nAnn"),
        (f"!a\n> {FULL} \n> on\n>> {FULL} \nb", False, f"!a\n> {FULL} on\n>> {FULL} \nb"),
        (f"{FULL} \n-- \nAnn", False, f"{FULL} \n-- \nAnn"),
        ("!a ", False, "!a "),
    ],
)
def test_flowed_lines_are_joined(body: str, delsp: bool, text: str) -> None:
    """Where the next word had no room: a blank at a line's end anybody could have put there."""
    line = FLOWED + ("; delsp=yes" if delsp else "")
    assert read(letter(body, line)).text == text


def test_quoted_history_stays_below_what_was_typed() -> None:
    text = read(letter("!uptime\n\nOn Monday Bo wrote:\n> !plug lamp off")).text
    assert text.splitlines()[0] == "!uptime"
    assert "> !plug lamp off" in text


def test_the_answer_goes_to_from_and_not_to_a_reply_to() -> None:
    message = read(letter("!uptime", "Reply-To: eve@evil.example", "Sender: eve@evil.example"))
    assert message.reply_to == message.sender == "ann@example.org"


@pytest.mark.parametrize(
    ("lines", "references"),
    [
        ((), ("<1@example.org>",)),
        (("References: <a@x> <b@x>",), ("<a@x>", "<b@x>", "<1@example.org>")),
        (("In-Reply-To: <b@x>",), ("<b@x>", "<1@example.org>")),
        (("In-Reply-To: <b@x> <c@x>",), ("<1@example.org>",)),
        (("References: <a@x>garbage<<b@x>\r\n <a@x>",), ("<a@x>", "<b@x>", "<1@example.org>")),
    ],
)
def test_the_thread_goes_on(lines: tuple[str, ...], references: tuple[str, ...]) -> None:
    assert read(letter("x", *lines)).thread == Thread("Re: hello", "<1@example.org>", references)


def test_a_long_thread_keeps_its_first_and_its_newest_ids() -> None:
    ids = " ".join(f"<{n}@x>" for n in range(100))
    references = read(letter("x", f"References: {ids}")).thread.references
    assert (len(references), references[0], references[-2]) == (20, "<0@x>", "<99@x>")


@pytest.mark.parametrize(
    ("subject", "shown", "answer"),
    [
        ("RE: hello", "RE: hello", "RE: hello"),
        ("=?utf-8?q?=21plug_lamp?= =?utf-8?b?IG9u?=", "!plug lamp on", "Re: !plug lamp on"),
        ("=?utf-8?q?a=0D=0ABcc=3A_eve=40x?=", "a Bcc: eve@x", "Re: a Bcc: eve@x"),
        ("=?x-no?q?a?= =?utf-8?b?Y?=", "a=?utf-8?b?Y?=", "Re: a=?utf-8?b?Y?="),
        ("=?utf-8?q?_a_?=", "a", "Re: a"),
        ("=?koi8-r*ru?b?xM/N?=", "дом", "Re: дом"),
        ("=?koi8-r?b?xM/N?=", "дом", "Re: дом"),
        ("", "", "Re:"),
    ],
)
def test_a_subject_is_decoded_to_one_line_and_answered_with_re(
    subject: str, shown: str, answer: str
) -> None:
    raw = letter("x").replace(b"Subject: hello", b"Subject: " + subject.encode())
    message = read(raw)
    assert (message.subject, message.thread.subject) == (shown, answer)


def test_a_dropped_note_has_text_and_no_sender() -> None:
    message = read(b"Content-Type: text/plain; charset=utf-8\r\n\r\n!uptime\r\n", needs_from=False)
    assert (message.kind, message.text, message.sender) == (Kind.MAIL, "!uptime", None)


SAY = (
    "!say kitchen the dinner is ready at seven, please come down with clean",
    "hands and bring the large blue bowl that stands on the shelf above the",
    "stairs",
)
SAID = " ".join(SAY)
NEXT = "!plug lamp on"


@pytest.mark.parametrize("kind", ["alternative", "mixed", "related"])
@pytest.mark.parametrize(
    ("plain", "html", "text"),
    [
        (SAY, [SAID], [SAID]),
        ([*SAY, "", "On Wed House wrote:"], [SAID, "x"], [SAID, "", "On Wed House wrote:"]),
        ([*SAY, NEXT], [SAID, NEXT], [SAID, NEXT]),
        ([NEXT, "", *SAY, "thanks"], [NEXT, SAID, "thanks"], [NEXT, "", SAID, "thanks"]),
        (
            [SAY[0].replace("clean", "  clean"), *SAY[1:]],
            [SAID],
            [SAID.replace(" clean", "   clean")],
        ),
        # the line ends are the sender's own
        (SAY, SAY, SAY),
        (SAY, [f"{SAY[0]} {SAY[1]}", SAY[2]], [f"{SAY[0]} {SAY[1]}", SAY[2]]),
        (["!say kitchen dinner", "thanks"], ["!say kitchen dinner thanks"], None),
        ([SAY[0], NEXT], [f"{SAY[0]} {NEXT}"], None),
        ([SAY[0], "", SAY[1]], [f"{SAY[0]} {SAY[1]}"], None),
        (["hello", *SAY], ["hello", SAID], None),
        (SAY, ["other words"], None),
    ],
)
def test_a_command_that_gmail_wrapped_is_whole_where_its_html_has_it_whole(
    kind: str, plain: list[str], html: list[str], text: list[str] | None
) -> None:
    """Whichever kind of multipart an unsigned Content-Type says it is."""
    lines = "".join(f"<div>{line}</div>" for line in html)
    raw = mixture(kind, PLAIN + "\n".join(plain), HTML + lines)
    assert read(raw).text.split("\n") == list(text or plain)
