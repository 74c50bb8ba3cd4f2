"""Gmail's request to confirm a forwarding is read for the owner, whatever its wording."""

from __future__ import annotations

import pytest

from housecarl.message import Kind, Message, read
from housecarl.message.gmail_confirmation import told

from .letters import letter

LINK = "https://mail-settings.google.com/mail/vf-%5BANGjdJ8abc%5D-DEF_012"
CANCEL = LINK.replace("/vf-", "/uf-")
OLD_LINK = "https://mail.google.com/mail/vf-abcdef-GHIJKL"


def confirmation(subject: str, body: str) -> Message:
    raw = letter(body, sender="Gmail Team <forwarding-noreply@google.com>")
    return read(raw.replace(b"Subject: hello", b"Subject: " + subject.encode()))


@pytest.mark.parametrize(
    ("subject", "body", "code", "link"),
    [
        (
            "(#123456789) Gmail Forwarding Confirmation - Receive Mail from ann@gmail.com",
            f"Confirmation code: 123456789\n\n{OLD_LINK}\n",
            "123456789",
            OLD_LINK,
        ),
        (
            "(Gmail Forwarding Confirmation - Receive Mail from ann@gmail.com",
            f"ann@gmail.com has requested\n\n{LINK}\n\nto cancel:\n{CANCEL}\n",
            None,
            LINK,
        ),
        ("=?utf-8?q?=28n=C2=B0_12345678=29?= Gmail ann@gmail.com", "", "12345678", None),
        ("Gmail", "ann@gmail.com\nKod potwierdzenia: 123456\n", "123456", None),
        ("Gmail", "ann@gmail.com\n確認コード：1234567890\n", "1234567890", None),
        ("(#123456789) Gmail ann@gmail.com", "Code: 987654321\n", None, None),
        ("(#123) Gmail ann@gmail.com", f"<{LINK}>\n", None, LINK),
    ],
)
def test_account_code_and_link(subject: str, body: str, code: str | None, link: str | None) -> None:
    message = confirmation(subject, body)
    assert message.kind is Kind.CONFIRMATION
    assert message.facts == {"account": "ann@gmail.com", "code": code, "link": link}
    assert (message.text, message.reply_to) == ("", None)


@pytest.mark.parametrize(
    "link",
    [
        CANCEL,
        LINK.replace("https", "http"),
        LINK.replace("mail-settings.google.com", "mail-settings.google.com.evil.example"),
        LINK.replace("mail-settings.google.com", "mail-settings.google.com@evil.example"),
        LINK.replace("mail-settings.google.com", "mail-settings.google.com:444"),
        LINK.replace("mail-settings.google.com", "evil.example"),
        LINK.replace("/mail/vf-", "/mail/x/../uf-"),
        LINK + "?next=https://evil.example",
        LINK + "/../uf-abcdefgh",
        LINK + "#uf-abcdefgh",
        "https://[mail.google.com/mail/vf-abcdefgh",
        f"{LINK} {OLD_LINK}",
    ],
)
def test_no_other_link_is_shown(link: str) -> None:
    assert confirmation("Gmail", f"click {link}\n").facts["link"] is None


def test_without_an_account_there_is_none() -> None:
    assert confirmation("Gmail", "hello\n").facts["account"] is None


@pytest.mark.parametrize(
    ("subject", "body", "text"),
    [
        ("(#123456) Gmail ann@gmail.com", LINK, "that ann@gmail.com forwards here: code 123456"),
        ("Gmail ann@gmail.com", LINK, f"that ann@gmail.com forwards here: open {LINK}"),
        (
            "(#123456) Gmail",
            "Code: 987654",
            "that an account forwards here. I find no code in its mail. Log 7f3a.",
        ),
    ],
)
def test_the_owner_is_told_what_can_be_found_in_it(subject: str, body: str, text: str) -> None:
    """Google writes it anew every few years, and then it may hold nothing that we know."""
    assert told(confirmation(subject, f"{body}\n"), "7f3a") == f"Gmail asks to confirm {text}"
