"""An answer on its way: whom it is for, by which conversation, as the one mail that is sent."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple, TypeGuard

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

        None of them without `post`: nothing ever leaves, so that it is only recorded.
        """
        if self.leads(own, person):
            return own
        known = self.config.people.get(person)
        others = [way.address for way in people.ways(conn, person)]
        others += known.addresses if known is not None else []
        return Way(next((each for each in others if self.astray(person, each) is None), None))

    def leads(self, way: Way | None, person: str) -> TypeGuard[Way]:
        """Whether a way is one to this person."""
        return bool(way and way.address and self.astray(person, way.address) is None)

    def astray(self, person: str, address: str) -> str | None:
        """Why nothing for this person may go to an address, for `queue list`; None: it is theirs.

        A conversation is between two numbers, ours and theirs. Who logs in or drops files may write
        from any address, and is answered there.
        """
        if self.config.post is None:
            return "there is no post"
        known, numbers = self.config.people.get(person), google_voice.numbers(address)
        if known is None:
            return f"{person} is no longer in the configuration"
        if numbers is None:
            own = {each.lower() for each in known.addresses}
            theirs = known.login or known.unix or address.lower() in own
            return None if theirs else f"its address is no longer one of {person}'s"
        if numbers[1] not in known.phones:
            return f"its number is no longer one of {person}'s"
        voice = self.config.trust.google_voice
        if voice is None or voice.number != numbers[0]:
            return "its conversation is with a former number of the house"
        return None

    def seal(self, answer: Answer, way: Way, now: float, held: Held | None = None) -> Sealed:
        """The answer in the house's words, as the mail that is sent.

        Behind a text that waits it is one with that, and keeps its Message-ID.
        """
        facts = Facts(self.config.house, answer.receipt[:4])
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
