"""Plain e-mail as people's programs send it: the part that was typed, and the way back."""

from __future__ import annotations

from housecarl.message.field import identifiers, readable
from housecarl.message.flowed import joined
from housecarl.message.form import Form
from housecarl.message.markup import text as html_text
from housecarl.message.model import Kind, Message, Thread
from housecarl.message.part import Part
from housecarl.message.wrapped import whole

#: ids kept of a long conversation: the first, which starts it, and the newest (RFC 5322 3.6.4)
MAX_REFERENCES = 20


def read(form: Form) -> Message:
    """The message as mail; the answer goes to From and never to a Reply-To."""
    subject = readable(form.first("subject") or "")
    return Message(
        kind=Kind.MAIL,
        sender=form.from_address,
        from_address=form.from_address,
        text=typed(form.root),
        subject=subject,
        message_id=form.message_id,
        reply_to=form.from_address,
        thread=thread(form, subject),
    )


def typed(root: Part) -> str:
    """The text a person wrote: plain text before HTML, the first part of a mixture that has any."""
    return (_found(root) or "").strip("\n")


def plain(part: Part) -> str:
    """A text/plain part's text with soft line breaks joined where it says it has them."""
    text = part.text()
    if part.parameters.get("format", "").lower() == "flowed":
        return joined(text, delsp=part.parameters.get("delsp", "").lower() == "yes")
    return text


def has_plain(part: Part) -> bool:
    """Whether the plain text stands here, at any depth of one alternative."""
    return any(each.type == "text/plain" and each.body.strip() for each in part.walk())


def thread(form: Form, subject: str) -> Thread:
    """What the answer needs to land in the same conversation; `subject` as it is read."""
    own = identifiers(form.message_id or "")
    earlier = identifiers(form.first("references") or "")
    if not earlier:
        parents = identifiers(form.first("in-reply-to") or "")
        earlier = parents if len(parents) == 1 else ()
    known = tuple(dict.fromkeys((*earlier, *own[:1])))
    if len(known) > MAX_REFERENCES:
        known = (known[0], *known[1 - MAX_REFERENCES :])
    return Thread(
        subject=subject if subject.lower().startswith("re:") else f"Re: {subject}".rstrip(),
        in_reply_to=own[0] if own else "",
        references=known,
    )


def _found(part: Part) -> str | None:
    """The text of a part or of what it holds; None where nobody typed anything."""
    if part.type == "text/plain":
        return plain(part) if part.body.strip() else None
    if part.type == "text/html":
        return html_text(part.text()) or None
    written = [child for child in part.children if not child.attached]
    if part.type == "multipart/alternative":
        written.sort(key=has_plain, reverse=True)
    texts = (text for child in written if (text := _found(child)) and text.strip())
    text = next(texts, None)
    return None if text is None else whole(text, texts)
