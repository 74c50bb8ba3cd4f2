"""A `Reply` made readable: one line for a text, plain text and HTML for a mail, from templates."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from housecarl import folding
from housecarl.module import Reply
from housecarl.septets import PART, joined, pages, plain, septets
from housecarl.shipped import shipped

if TYPE_CHECKING:
    from jinja2 import Environment, Template

#: Characters of one reply's text; a mail is no place for a log file, and no amplifier.
MAX_TEXT = 4096
#: Rows and bars of one reply: what a person reads.
MAX_ROWS = 100
#: What is sent when nothing of a reply can be texted (pictures only, say).
EMPTY = "(a reply without text)"
#: What `!more` says when no long reply has a page left.
NOTHING_LEFT = "That was all."
#: Characters of one cell.
MAX_CELL = 200

#: What a reply is made with: a text, the two parts of a mail.
TEMPLATES = ("sms.txt.j2", "mail.txt.j2", "mail.html.j2")

#: Controls, lone surrogates, marks that reorder text and ends of a line or paragraph but line feed,
#: which may stay in a mail, and so may tab.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class Facts(NamedTuple):
    """What templates may say besides the replies: the house, the journal's short id."""

    house: str = "house"
    id: str = ""


#: Of a reply that stands alone.
NO_FACTS = Facts()


@dataclass(frozen=True, slots=True)
class More(Reply):
    """The answer to `!more`: all `pages` that are left, of which the first goes now.

    They come to it in the transaction in which it is queued. Alone it goes as it was cut, with
    other replies it is cut anew, in a mail it is whole; so nothing of it can get lost.
    """

    pages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Renderer:
    """Renders replies with the templates of `config/templates`.

    `symbol` starts commands in this house: nothing rendered begins with it.
    """

    symbol: str = "!"
    budget: int = PART
    _compiled: dict[str, Template] = field(default_factory=dict, compare=False, repr=False)

    @property
    def loaded(self) -> bool:
        """Whether it can render at once; else the first time takes a tenth of a second."""
        return len(self._compiled) == len(TEMPLATES)

    def load(self) -> None:
        """Import Jinja and compile the templates; blocks."""
        for name in TEMPLATES:
            self._template(name)

    def pages(self, replies: Sequence[Reply], facts: Facts = NO_FACTS) -> list[str]:
        """The text messages of `replies`, each one line within the budget; the first goes now."""
        return self.text(replies, facts)[1]

    def text(
        self, replies: Sequence[Reply], facts: Facts = NO_FACTS, behind: str = ""
    ) -> tuple[str, list[str]]:
        """`replies` as one line, behind a line that waits, and the text messages it is cut into."""
        line = plain(self._render("sms.txt.j2", *_harmless(replies, facts))) or EMPTY
        if behind:
            line = f"{behind} {line}"
        elif len(replies) == 1 and isinstance(replies[0], More) and self._fit(replies[0].pages):
            return line, list(replies[0].pages)
        return line, pages(line, self.budget, self.symbol)

    def _fit(self, cut: Sequence[str]) -> bool:
        """Whether pages can go as they were cut; before a reload the limits may have differed."""
        return bool(cut) and not any(
            septets(page) > self.budget or page.startswith(self.symbol) for page in cut
        )

    def mail(self, replies: Sequence[Reply], facts: Facts = NO_FACTS) -> tuple[str, str]:
        """The plain text part of a mail and the HTML one, lines ended by a line feed.

        In the HTML everything that is not the template's own is escaped.
        """
        shown, facts = _harmless(replies, facts)
        text = self._render("mail.txt.j2", shown, facts).strip("\n") + "\n"
        if folding.same(text.lstrip(folding.EDGES + "\n")[:1], self.symbol):
            text = f"- {text}"
        return text, self._render("mail.html.j2", shown, facts).strip("\n") + "\n"

    def _render(self, name: str, replies: Sequence[Reply], facts: Facts) -> str:
        return self._template(name).render(replies=replies, house=facts.house, id=facts.id)

    def _template(self, name: str) -> Template:
        template = self._compiled.get(name)
        if template is None:
            template = _environment().get_template(name)
            # copied for each reply: quick with one mapping, and not with Jinja's chain of two
            template.globals = dict(template.globals)
            self._compiled[name] = template
        return template


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(shipped("config") / "templates"),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["bars"] = _bars
    return environment


def _bars(reply: Reply) -> list[dict[str, Any]]:
    """The bars of a reply: label, value with its unit, and its part of the longest, 0 to 100."""
    longest = max((v for _, v in reply.bars if math.isfinite(v)), default=0.0)
    return [
        {
            "label": label,
            "value": f"{_number(value)} {reply.unit}".rstrip(),
            "part": round(100 * (value / longest)) if math.isfinite(value) and value > 0 else 0,
        }
        for label, value in reply.bars
    ]


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if math.isfinite(value) else "?"


def _harmless(replies: Sequence[Reply], facts: Facts) -> tuple[list[Reply], Facts]:
    """The same with nothing in it that could harm a mail: no controls, no endless text or table."""
    return [_bounded(reply) for reply in replies], facts._replace(house=_clean(facts.house))


def _bounded(reply: Reply) -> Reply:
    if isinstance(reply, More) and reply.pages:
        return Reply(joined(reply.pages))  # each reply in it was bounded when it was cut
    return Reply(
        _clean(reply.text, MAX_TEXT),
        [(_clean(name), _clean(value)) for name, value in reply.rows[:MAX_ROWS]],
        [(_clean(label), float(value)) for label, value in reply.bars[:MAX_ROWS]],
        _clean(reply.unit),
    )


def _clean(text: object, limit: int = MAX_CELL) -> str:
    text = str(text)
    if not (text.isascii() and text.isprintable()):
        text = _CONTROLS.sub(" ", text.replace("\r\n", "\n"))
    return text if len(text) <= limit else text[: limit - 3].rstrip() + "..."
