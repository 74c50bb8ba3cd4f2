"""Messages to read: made from a few words, with the frame that Google or a mail program adds."""

from __future__ import annotations

import quopri
import textwrap

TAIL = "To respond to this text message, reply to this email or visit Google Voice."
FOOTER = (
    "YOUR ACCOUNT <https://voice.google.com> HELP CENTER\n"
    "<https://support.google.com/voice#topic=1707989> HELP FORUM\n"
    "Google LLC\n"
)
ADDRESS = "12025550100.12025550199.Qx7bN2mR-e@txt.voice.google.com"


def letter(body: str | bytes = "!uptime", *extra: str, sender: str = "ann@example.org") -> bytes:
    """A mail with these header lines besides From, Subject and Message-ID."""
    lines = [f"From: {sender}", "Subject: hello", "Message-ID: <1@example.org>", *extra]
    content = body.encode() if isinstance(body, str) else body
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content.replace(b"\n", b"\r\n")


def multipart(kind: str, *parts: str | bytes, boundary: str = "b") -> tuple[str, bytes]:
    """A Content-Type line and a body of parts, each a text that begins with its header."""
    inside = b"".join(
        f"--{boundary}\n".encode() + (each.encode() if isinstance(each, str) else each) + b"\n"
        for each in parts
    )
    line = f'Content-Type: multipart/{kind}; boundary="{boundary}"'
    return line, inside + f"--{boundary}--\n".encode()


def mixture(kind: str, *parts: str | bytes, extra: tuple[str, ...] = ()) -> bytes:
    """A mail made of parts."""
    line, body = multipart(kind, *parts)
    return letter(body, line, *extra)


def voice(
    text: str = "!plug lamp on",
    *,
    cell: str | None = None,
    plain: str | None = None,
    tail: str = TAIL,
    footer: str = FOOTER,
    sender: str = f'"(202) 555-0199" <{ADDRESS}>',
    subject: str = "New text message from (202) 555-0199",
    flowed: str = "; format=flowed; delsp=yes",
) -> bytes:
    """A text as Google Voice mails it: plain part wrapped at 75 columns, HTML part in one cell."""
    shown = "\n".join(textwrap.fill(line, 75) for line in text.split("\n"))
    typed = f"\n<https://voice.google.com>\n{plain or shown}\n{tail}\n{footer}"
    rows = (
        f'<tr><td style="font-size: 14px">{cell or text}</td></tr>'
        f'<tr><td style="font-style: italic">{tail}</td></tr>'
    )
    page = (
        '<html><head><style>td {color: red}</style></head><body><table><tr><td><img alt="Google '
        f'Voice" src="x"></td></tr></table><table>{rows}</table>'
        '<table><tr><td><a href="https://voice.google.com">YOUR ACCOUNT</a></td></tr>'
        "</table></body></html>"
    )
    line, body = multipart(
        "alternative",
        f'Content-Type: text/plain; charset="UTF-8"{flowed}\n\n{typed}',
        b'Content-Type: text/html; charset="UTF-8"\nContent-Transfer-Encoding: quoted-printable\n\n'
        + quopri.encodestring(page.encode()),
    )
    head = [f"From: {sender}", f"Subject: {subject}", "Message-ID: <2@txt.voice.google.com>", line]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body.replace(b"\n", b"\r\n")
