"""An answer on its way: whom it is for, by which conversation, as the one mail that is sent."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from housecarl.config import Config
from housecarl.journal import people
from housecarl.journal.replies import Outgoing
from housecarl.journal.texts import Held
from housecarl.letter import Letter, compose
from housecarl.message import google_voice
from housecarl.message.model import Thread
from housecarl.module import Reply
from housecarl.reply import Facts, Renderer
from housecarl.septets import parts

Kind = Literal["reply", "follow-up", "alert", "challenge"]


class Way(NamedTuple):
    """Where an answer goes and in which conversation; `address` None: there is no way back."""

    address: str | None
    thread: Thread = Thread()

    @property
    def texted(self) -> bool:
        """Whether it arrives as a text message."""
        return self.address is not None and self.address.endswith(google_voice.DOMAIN)


class Answer(NamedTuple):
    """One answer before it has a way: for whom, about which message, what it says.

    `part` tells the answers to one message apart; it never changes, so that one that is sent twice
    is seen to be the same.
    """

    person: str
    replies: Sequence[Reply]
    kind: Kind = "reply"
    receipt: str = ""
    asked: Sequence[str] = ()
    part: str = "0"


class Sealed(NamedTuple):
    """An answer ready to send, and the pages of a text that was too long, which wait for !more.

    The text of `out` is all of it, whatever goes in its mail.
    """

    out: Outgoing
    rest: list[str]


@dataclass(frozen=True, slots=True)
class Envelopes:
    """Makes answers ready to send, in the house's words and from the house's address."""

    config: Config
    renderer: Renderer

    def way_back(self, conn: sqlite3.Connection, person: str, own: Way | None = None) -> Way:
        """This conversation; else the one this person used last; else their first address.

        A conversation with a number that is no longer theirs is somebody else's.
        """
        if own is not None and own.address:
            return own
        known = self.config.people.get(person)
        if known is None:
            return Way(None)
        last = people.last_way(conn, person, [*known.phones, *known.addresses])
        if last is not None:
            return Way(last.address)
        return Way(known.addresses[0] if known.addresses else None)

    def seal(self, answer: Answer, way: Way, now: float, held: Held | None = None) -> Sealed:
        """The answer in the house's words, as the mail that is sent.

        Behind a text that waits it is one with that, and keeps its Message-ID. In a house without
        `post` nothing ever leaves: it has no way, is only recorded, and waits for nothing.
        """
        if self.config.post is None:
            way = Way(None)
        facts = Facts(self.config.house, answer.receipt[:4], tuple(answer.asked))
        html, pages = None, list[str]()
        if way.texted:
            whole, pages = self.renderer.text(answer.replies, facts, held.text if held else "")
            text = pages[0]
        else:
            text, html = self.renderer.mail(answer.replies, facts)
            whole = text
        message_id = held.message_id if held else self._message_id(answer)
        out = Outgoing(
            person=answer.person,
            kind=answer.kind,
            address=way.address,
            message_id=message_id,
            text=whole.strip(),
            mail=b"" if way.address is None else self._mail(way, message_id, text, html, now),
            created=now,
            receipt=answer.receipt or None,
            parts=parts(text) if way.texted else 1,
        )
        return Sealed(out, pages[1:])

    def _mail(self, way: Way, message_id: str, text: str, html: str | None, now: float) -> bytes:
        letter = Letter(
            sender=self._sender(),
            to=way.address or "",
            message_id=message_id,
            date=datetime.fromtimestamp(now, UTC),
            thread=way.thread,
            subject=self.config.house,
        )
        return compose(letter, text, html)

    def _sender(self) -> str:
        post = self.config.post
        return post.from_ if post is not None else "housecarl@localhost.invalid"

    def _message_id(self, answer: Answer) -> str:
        domain = self._sender().rpartition("@")[2]
        return f"<housecarl.{answer.receipt or 'house'}.{answer.kind}.{answer.part}@{domain}>"
