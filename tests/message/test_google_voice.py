"""Google Voice: every form of a text is read whole, and nothing but a text is one."""

from __future__ import annotations

import pytest

from housecarl.errors import FormError
from housecarl.message import Kind, read
from housecarl.message.google_voice import numbers

from .letters import ADDRESS, FOOTER, TAIL, letter, voice

NOREPLY = "Google Voice <voice-noreply@google.com>"
LAUNCH = (
    "To respond to this message, launch Google Voice (https://voice.google.com)\n"
    "on your mobile device or computer."
)
#: a line that ends where another word would have had no room
FULL = "!say " + "x" * 67
LONG = "!say kitchen " + " ".join(f"word{n}" for n in range(37))


def refused(raw: bytes) -> str:
    with pytest.raises(FormError) as caught:
        read(raw)
    return caught.value.reason


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("!plug lamp on", {}),
        ("!plug lamp on", {"tail": ""}),
        ("!plug lamp on", {"tail": "", "footer": ""}),
        ("!plug lamp on", {"tail": LAUNCH}),
        ("!plug lamp on", {"flowed": ""}),
        (LONG, {}),
        (LONG, {"tail": "", "flowed": ""}),
        ("!plug lamp on\n!uptime", {"cell": "!plug lamp on<br>!uptime"}),
        ("!plug lamp on\n!uptime", {}),
        (f"{LONG}\n!uptime", {}),
        (f"{FULL}\n!uptime\n!a", {"cell": f"{FULL}<br>!uptime<br>!a"}),
        ("!say <http://a.example> now", {"cell": "!say &lt;http://a.example&gt; now"}),
        (f"!a\n\n{FULL.replace(' ', 'x')}y", {"tail": "", "footer": ""}),
        ("!say it\u2019s 5 < 6 & so", {"cell": "!say it&rsquo;s 5 &lt; 6 &amp; so"}),
        (
            "!ping example.com now",
            {
                "plain": "!ping example.com <http://example.com> now",
                "cell": '!ping <a href="http://example.com">example.com</a> now',
            },
        ),
        ("!plug lamp on", {"tail": "要回复此短信，请回复此电子邮件或访问 Google Voice。"}),
        (
            "!plug lamp on",
            {
                "tail": "Um zu antworten, antworte auf diese E-Mail.",
                "footer": "MEIN KONTO <https://voice.google.com> HILFE\nGoogle LLC\n",
            },
        ),
        ("!plug lamp on", {"plain": "!plug lamp on ", "cell": "!plug  lamp on"}),
    ],
)
def test_the_text_is_what_was_typed(text: str, options: dict[str, str]) -> None:
    message = read(voice(text, **options))
    assert (message.kind, message.text) == (Kind.SMS, text)


@pytest.mark.parametrize(
    "options",
    [
        {"plain": "!plug lamp off"},
        {"plain": "!plug lamb on"},
        {"plain": "!plug lamp on and the heater"},
        {"plain": "!plug lamp on\nand the heater"},
        {"plain": "!plug lamp onn"},
        {"plain": "!plug lampon"},
        {"plain": "!plug lamp"},
        {"plain": "!uptime\n!plug lamp on"},
        {"cell": "!plug lamp on and more"},
        {"cell": "!plug lamp on<br>!plug heater on"},
        {"cell": "<!--!plug lamp on-->"},
        {"cell": "<blockquote>!plug lamp on</blockquote>"},
        {"plain": "!plug lamp on\nand more", "tail": ""},
        {"plain": "!plug lamp on HELP <https://voice.google.com>", "tail": ""},
    ],
)
def test_plain_and_html_that_disagree_are_refused(options: dict[str, str]) -> None:
    assert refused(voice("!plug lamp on", **options)) == "gv-disagree"


SHORT_CODE = "15555550100.21234.sh0rtZJTlg@txt.voice.google.com"
BRITISH = "15555550100.447700900123.abcd@txt.voice.google.com"
CYRILLIC = "=?UTF-8?B?TmV3IHRleHQgbWVzc2FnZSBmcm9tINCQ0L3QvdCw?= (202) 555-0199"


@pytest.mark.parametrize(
    ("sender", "subject", "number", "name"),
    [
        (ADDRESS, "New text message from (202) 555-0199", "+12025550199", None),
        (f'"Me (SMS)" <{ADDRESS}>', "SMS from Me [(202) 555-0199]", "+12025550199", "Me"),
        (f'"Jo (SMS)" <{ADDRESS}>', "SMS from Jo (202) 555-0199", "+12025550199", "Jo"),
        (f'"(999) 999-9999" <{ADDRESS}>', "New text message", "+12025550199", None),
        (f"=?UTF-8?B?0JDQvdC90LAgKFNNUyk=?= <{ADDRESS}>", CYRILLIC, "+12025550199", "Анна"),
        (SHORT_CODE, "New text message from 21234", "21234", None),
        (SHORT_CODE.replace("21234", "212345"), "New text message from 212345", "212345", None),
        (SHORT_CODE.replace("21234", "2123456"), "New text message", "+2123456", None),
        (BRITISH, "SMS from Jo [+44 7700 900123]", "+447700900123", None),
        (NOREPLY, "New text message from (202) 555-0199", "+12025550199", None),
        (NOREPLY, "New text message from Robin 2 (202) 555-0199", "+12025550199", "Robin 2"),
        (NOREPLY, "New text message from 007 (202) 555-0199", "+12025550199", None),
        (ADDRESS, "New text message from 007 (202) 555-0199", "+12025550199", None),
        (ADDRESS, "SMS from 007 [(202) 555-0199]", "+12025550199", None),
        (NOREPLY, "New text message from +44 7700 900123", "+447700900123", None),
        (NOREPLY, "New text message from 2025550199", "+12025550199", None),
        (NOREPLY, "New text message from 49469", "49469", None),
        (NOREPLY, "New text message from Robin", None, "Robin"),
        (NOREPLY, "New text message from 21234 Robin", None, "21234 Robin"),
        (NOREPLY, "New text message from 2 Robin (202) 555-0199", "+12025550199", "2 Robin"),
        (NOREPLY, "New text message from New call (202) 555-0199", "+12025550199", "New call"),
        (NOREPLY, "New text message from group (202) 555-0199", "+12025550199", "group"),
        (NOREPLY, "New text message from +47 22 22 22 22", "+4722222222", None),
        (NOREPLY, "New text message from 447700900123", "+447700900123", None),
        (NOREPLY, "New text message from 202-555-0199", "+12025550199", None),
        (NOREPLY, "New text message from 2123456", "+2123456", None),
    ],
)
def test_the_sender_is_the_number_of_the_address_or_the_subject(
    sender: str, subject: str, number: str | None, name: str | None
) -> None:
    message = read(voice(sender=sender, subject=subject))
    assert (message.kind, message.sender, message.facts["name"]) == (Kind.SMS, number, name)
    assert (message.reply_to is None) == (sender == NOREPLY)


def test_the_conversation_is_the_way_back() -> None:
    message = read(voice())
    assert message.reply_to == message.from_address == ADDRESS
    assert message.facts["gv_number"] == "+12025550100"
    assert message.facts["token"] == "Qx7bN2mR-e"
    assert message.message_id == "<2@txt.voice.google.com>"
    assert message.subject == "New text message from (202) 555-0199"
    assert numbers(ADDRESS) == ("+12025550100", "+12025550199")
    assert numbers(f"{ADDRESS}.evil.example") is numbers("ann@example.org") is None
    assert message.thread.subject == "Re: New text message from (202) 555-0199"
    assert message.thread.in_reply_to == "<2@txt.voice.google.com>"


def test_a_first_label_that_is_no_number_is_not_ours() -> None:
    message = read(voice(sender="0.12025550199.abcdefgh@txt.voice.google.com"))
    assert message.facts["gv_number"] is None


@pytest.mark.parametrize(
    "subject",
    [
        "New text message from (202) 555-0142",
        "New text message from Robin (202) 555-0142",
        "SMS from Robin Alder [(202) 555-0142]",
        "Nuevo mensaje de texto de (202) 555-0142",
        "New text message from +44 7700 900123",
        "New text message from 21234",
    ],
)
def test_a_subject_with_another_number_is_refused(subject: str) -> None:
    assert refused(voice(subject=subject)) == "gv-subject"


@pytest.mark.parametrize(
    "sender",
    [
        "12025550100.12025550199@txt.voice.google.com",
        "12025550100.12025550199.a.b@txt.voice.google.com",
        "12025550100.+12025550199.abcdefgh@txt.voice.google.com",
        "robin@txt.voice.google.com",
    ],
)
def test_an_address_of_another_shape_is_refused(sender: str) -> None:
    assert refused(voice(sender=sender)) == "gv-address"


@pytest.mark.parametrize(
    "sender",
    [
        "12025550100.12025550199.Qx7bN2mR-e@txt.voice.google.com.evil.example",
        "12025550100.12025550199.Qx7bN2mR-e@evil-txt.voice.google.com",
        "12025550100.12025550199.Qx7bN2mR-e@voice.google.com",
        "voice-noreply@google.com.evil.example",
        '"voice-noreply@google.com" <eve@evil.example>',
    ],
)
def test_a_domain_that_looks_alike_is_plain_mail(sender: str) -> None:
    assert read(voice(sender=sender)).kind in (Kind.MAIL, Kind.AUTO)
    assert read(voice(sender=sender)).sender != "+12025550199"


@pytest.mark.parametrize(
    ("subject", "kind"),
    [
        ("New group message from Robin, (202) 555-0142", Kind.GROUP),
        ("New group text message from (202) 555-0199", Kind.GROUP),
        ("New voicemail from (202) 555-0199 at 4:19 PM", Kind.VOICEMAIL),
        ("New missed call from (202) 555-0199", Kind.VOICEMAIL),
    ],
)
@pytest.mark.parametrize("sender", [ADDRESS, NOREPLY])
def test_what_is_not_a_text_holds_no_text(sender: str, subject: str, kind: Kind) -> None:
    message = read(voice(sender=sender, subject=subject))
    assert (message.kind, message.text, message.reply_to) == (kind, "", None)
    assert (message.subject, message.message_id) == (subject, "<2@txt.voice.google.com>")
    assert message.from_address in (ADDRESS, "voice-noreply@google.com")


@pytest.mark.parametrize(
    "subject",
    [
        "Welcome to Google Voice",
        "Change to your account",
        "",
        # an account in another language: what this address sends is told by its subject alone
        "Nuevo mensaje de grupo de Robin, (202) 555-0199",
        "Nuevo mensaje de voz de (202) 555-0199",
        "Nuevo mensaje de texto de (202) 555-0199",
    ],
)
def test_other_notices_are_nothing(subject: str) -> None:
    assert read(voice(sender=NOREPLY, subject=subject)).kind is Kind.NONE


def test_a_picture_is_never_a_command() -> None:
    assert read(voice("MMS Received")).kind is Kind.GROUP
    assert read(voice("MMS received, thanks")).kind is Kind.SMS
    picture = voice().replace(b"--b--", b"--b\r\nContent-Type: image/jpeg\r\n\r\nx\r\n--b--")
    assert read(picture).kind is Kind.GROUP


def test_a_notice_may_end_with_its_text() -> None:
    raw = voice("!plug lamp on", tail="", footer="").replace(
        b"lamp on\r\n\r\n\r\n--b", b"lamp on\r\n--b"
    )
    assert b"lamp on\r\n--b" in raw
    assert read(raw).text == "!plug lamp on"
    assert read(raw.replace(b"<https://voice.google.com>\r\n", b"", 1)).text == "!plug lamp on"


def test_a_text_without_its_html_half_is_refused() -> None:
    assert refused(voice().replace(b"text/html", b"text/csv")) == "gv-parts"
    assert refused(voice().replace(b"multipart/alternative", b"multipart/mixed")) == "gv-parts"


def test_a_notice_longer_than_any_text_is_refused() -> None:
    assert refused(voice("!say " + "hello " * 6000)) == "gv-parts"
    assert refused(voice("!say hello", cell="<p></p>" * 6000)) == "gv-parts"
    assert refused(old("!say hello\n" * 3000)) == "gv-parts"


def old(body: str) -> bytes:
    kind = "Content-Type: text/plain; charset=ISO-8859-1; format=flowed; delsp=yes"
    return letter(body, kind, sender=ADDRESS)


FRAME = "<https://voice.google.com>\n"
SAVE = (
    "Sent using SMS-to-email.  Reply to this email to text the sender back and  \n"
    "save on SMS fees.\nhttps://www.google.com/voice"
)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (f"!weather 10001\n\n--\n{SAVE}/\n", "!weather 10001"),
        (f"!weather 10001\n\n--\n{SAVE}\n", "!weather 10001"),
        ("!weather 10001\n", "!weather 10001"),
        (f"{LONG[:70]}  \nline\n!uptime\n", f"{LONG[:70]} line\n!uptime"),
        ("!plug lamp  \noff to bed", "!plug lamp \noff to bed"),
        (f"--\n!a\n--\n{SAVE}/", "--\n!a"),
        (f"!a\n--\nb\n--\n{SAVE}/", "!a\n--\nb"),
        ("!a\n--\nAnn", "!a\n--\nAnn"),
        ("!a\nhttps://www.google.com/voice", "!a\nhttps://www.google.com/voice"),
        ("!a\n--\nhttps://www.google.com/voice/b", "!a\n--\nhttps://www.google.com/voice/b"),
        (f"{FRAME}{'!' + 'a' * 67}\nbcde\n", "!" + "a" * 67 + "\nbcde"),
        (f"{FRAME}{'!' + 'a' * 68}\nbcde\n", "!" + "a" * 68 + " bcde"),
        (f"{FRAME}!a\n\n{'b' * 80}\n", "!a\n\n" + "b" * 80),
        (f"<https://voice.google.com>\n!uptime\n{TAIL}\n{FOOTER}", "!uptime"),
        (f"\n<https://voice.google.com>\n!uptime\n{LAUNCH}\n{FOOTER}", "!uptime"),
        (f"<https://voice.google.com>\n!uptime\n{TAIL}\n", "!uptime"),
        ("<https://voice.google.com>\n!uptime\n", "!uptime"),
    ],
)
def test_a_single_plain_part_loses_only_its_frame(body: str, text: str) -> None:
    assert read(old(body)).text == text
