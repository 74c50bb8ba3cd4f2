"""The outbox: every answer is queued here, in its conversation and within the budget of texts."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass, field

import structlog

from housecarl.config import Limits
from housecarl.envelope import Answer, Envelopes, Sealed, Way
from housecarl.errors import PostRefused
from housecarl.journal import people, replies, texts
from housecarl.journal.replies import Due
from housecarl.module import Reply
from housecarl.reply import NOTHING_LEFT, More
from housecarl.septets import joined

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Outbox:
    """Queues answers; texts beyond the budget wait, and what waits for one person is merged."""

    envelopes: Envelopes
    limits: Limits
    _loading: asyncio.Lock = field(default_factory=asyncio.Lock, compare=False, repr=False)

    async def seal(self, answer: Answer, own: Way | None, now: float) -> Sealed | None:
        """The answer on its own conversation; None when only the journal knows a way.

        For `queue`: what is rendered in a transaction keeps the journal locked meanwhile.
        """
        async with self._loading:  # in turn, so that answers stay in the order they were asked for
            if not self.envelopes.renderer.loaded:
                await asyncio.to_thread(self.envelopes.renderer.load)
        return self._sealed(answer, own, now) if self.envelopes.leads(own, answer.person) else None

    def queue(
        self,
        conn: sqlite3.Connection,
        answer: Answer,
        own: Way | None,
        now: float,
        sealed: Sealed | None = None,
    ) -> Due | None:
        """Queue an answer by its way; the reply to be sent now, None when there is none yet."""
        way = self.envelopes.way_back(conn, answer.person, own)
        # the code in a challenge is good for minutes only, so it waits for nothing
        free = now
        if way.texted and answer.kind != "challenge":
            free = self._free_at(conn, answer.person, now)
        held = None
        if free > now and way.address is not None:
            held = texts.held(conn, answer.person, way.address, now)
        if any(isinstance(reply, More) for reply in answer.replies):
            symbol = self.envelopes.renderer.symbol
            answer, sealed = _with_pages(conn, answer, held, symbol), None
        if held is not None and self._merge(conn, held, answer, way, now):
            return None
        out, rest = sealed or self._sealed(answer, way, now)
        reply = replies.add(conn, out._replace(not_before=free))
        if rest:
            people.keep_pages(conn, answer.person, rest, now)
        if out.address is None or out.error or free > now:
            return None
        return Due(reply, out.person, out.address, out.mail, 0, now, now, out.kind)

    def _sealed(
        self, answer: Answer, way: Way, now: float, held: texts.Held | None = None
    ) -> Sealed:
        """As `Envelopes.seal`; what cannot be written as a mail gets the reason why."""
        try:
            return self.envelopes.seal(answer, way, now, held)
        except PostRefused as error:
            log.error(
                "reply-unwritable", person=answer.person, id=answer.receipt[:4], why=str(error)
            )
            sealed = self.envelopes.seal(answer, Way(None), now)
            out = sealed.out._replace(address=way.address, error=str(error))
            return sealed._replace(out=out)

    def _free_at(self, conn: sqlite3.Connection, person: str, now: float) -> float:
        """When the next text may leave: Google flags numbers that write like scripts."""
        free = now
        for most, seconds in self.limits.texts:
            oldest = texts.nth(conn, person, now - seconds, now, most)
            if oldest is not None:
                free = max(free, oldest + seconds)
        return free

    def _merge(
        self, conn: sqlite3.Connection, held: texts.Held, answer: Answer, way: Way, now: float
    ) -> bool:
        """Put an answer behind the one that waits: one text goes, the rest by !more.

        False when the two cannot be written as one mail; then nothing is changed.
        """
        if not answer.replies:
            return True  # it asked for more of what waits
        merged = self._sealed(answer, way, now, held)
        if merged.out.error:
            return False
        texts.rewrite(conn, held.id, merged.out)
        if merged.rest:
            people.keep_pages(conn, answer.person, merged.rest, now)
        return True


def _with_pages(
    conn: sqlite3.Connection, answer: Answer, held: texts.Held | None, symbol: str
) -> Answer:
    """The same with all that is left in place of `!more`, once; what does not go is kept again.

    What is left of the text that waits is in it already: it stays there, with its first page.
    """
    pages = people.pages(conn, answer.person)
    if pages and held is not None and _ends(held.text, joined(pages), symbol):
        others = [reply for reply in answer.replies if not isinstance(reply, More)]
        return answer._replace(replies=others)
    people.keep_pages(conn, answer.person, [], 0.0)
    found: list[Reply] = []
    for reply in answer.replies:
        if not isinstance(reply, More):
            found.append(reply)
        elif pages:
            found.append(More(pages[0], pages=tuple(pages)))
            pages = []
    return answer._replace(replies=found or [Reply(NOTHING_LEFT)])


def _ends(text: str, rest: str, symbol: str) -> bool:
    """Whether a text ends in this, wherever the pages broke its words or began with a command."""
    whole, end = (each.replace(f"- {symbol}", symbol).replace(" ", "") for each in (text, rest))
    return whole.endswith(end)
