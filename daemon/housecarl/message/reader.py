"""From bytes to a `Message`: the gate, then the one format that the sender's address names."""

from __future__ import annotations

from housecarl.message import gmail_confirmation, google_voice, mail
from housecarl.message.automatic import recognised
from housecarl.message.form import Form, gate
from housecarl.message.model import Kind, Message


def read(raw: bytes, *, needs_from: bool = True) -> Message:
    """The message a file holds, nothing in it proved yet; `needs_from=False` for a dropped note.

    Pure and bounded: whatever the bytes, it returns a Message or raises FormError.
    """
    return read_form(gate(raw, needs_from=needs_from))


def read_form(form: Form) -> Message:
    """The message in a form that passed the gate; raises FormError where its format is broken."""
    if google_voice.is_one(form):
        return google_voice.read(form)
    if gmail_confirmation.is_one(form):
        return gmail_confirmation.read(form)
    message = mail.read(form)
    kind = recognised(form)
    return message if kind is None else _silenced(message, kind)


def _silenced(message: Message, kind: Kind) -> Message:
    """What a program sent: no text to obey and no way back, so that no loop can start."""
    return Message(
        kind=kind,
        sender=message.sender,
        from_address=message.from_address,
        subject=message.subject,
        message_id=message.message_id,
    )
