"""Gmail's request to confirm a forwarding: the account, the code, the link for the owner."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from housecarl.message.address import is_plain
from housecarl.message.field import readable
from housecarl.message.form import Form
from housecarl.message.mail import typed
from housecarl.message.model import Kind, Message

ADDRESS = "forwarding-noreply@google.com"

#: `(#123456789) Gmail …`, in some languages `(n° 123456789)`; codes had 6 to 12 digits
_SUBJECT_CODE = re.compile(r"\((?:#|[^\d()]{1,4})[ \xa0]?(\d{6,12})\)")
#: `Confirmation code: 123456789`, the words before the colon in any language
_BODY_CODE = re.compile(r"(?m)^[^\n:\uff1a/]{1,60}[:\uff1a][ \xa0]*(\d{6,12})[ \t]*$")
_WORD = re.compile(r"[^\s<>()\[\],;:\"]+@[^\s<>()\[\],;:\"]+")
_LINK = re.compile(r"https://[!-~]{1,900}")
_HOSTS = frozenset(("mail-settings.google.com", "mail.google.com"))
#: `vf-` confirms; `uf-` on the same host cancels and must never be shown
_PATH = re.compile(r"/mail/vf-[A-Za-z0-9%_.~-]{8,600}")


def is_one(form: Form) -> bool:
    """Whether Gmail's forwarding address is the sender."""
    return form.from_address == ADDRESS


def read(form: Form) -> Message:
    """The confirmation with `account`, `code` and `link` in `facts`; each None when not there."""
    subject = readable(form.first("subject") or "")
    text = typed(form.root)
    return Message(
        kind=Kind.CONFIRMATION,
        sender=form.from_address,
        from_address=form.from_address,
        subject=subject,
        message_id=form.message_id,
        facts={
            "account": _account(subject, text),
            "code": _code(subject, text),
            "link": _link(text),
        },
    )


def told(message: Message, log: str) -> str:
    """What the owner reads of it; `log` is the journal's short id."""
    account, code, link = (message.facts[name] for name in ("account", "code", "link"))
    text = f"Gmail asks to confirm that {account or 'an account'} forwards here"
    if code is None and link is None:
        return f"{text}. I find no code in its mail. Log {log}."
    return f"{text}: code {code}" if code else f"{text}: open {link}"


def _account(subject: str, text: str) -> str | None:
    """The account that wants to forward: named in the subject, else first in the body."""
    for source in (subject, text):
        found: list[str] = [word.rstrip(".") for word in _WORD.findall(source[:2000])]
        found = [word for word in found if is_plain(word)]
        if found:
            return found[-1] if source is subject else found[0]
    return None


def _code(subject: str, text: str) -> str | None:
    """The code; None when subject and body name different ones."""
    codes = set(_SUBJECT_CODE.findall(subject)[:1]) | set(_BODY_CODE.findall(text)[:1])
    return codes.pop() if len(codes) == 1 else None


def _link(text: str) -> str | None:
    """The one link that confirms; None when there is none, or when two differ."""
    links = {link for link in map(_checked, _LINK.findall(text)) if link}
    return links.pop() if len(links) == 1 else None


def _checked(link: str) -> str | None:
    link = link.rstrip(".,;)>")
    try:
        parts = urlsplit(link)
    except ValueError:
        return None
    sound = parts.netloc in _HOSTS and not parts.query and not parts.fragment
    return link if sound and _PATH.fullmatch(parts.path) else None
