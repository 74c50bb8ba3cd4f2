"""YAML text as plain data, with the place of every key and value; strict where YAML is a trap.

YAML 1.2 scalars: only `true`, `false`, `null`, decimal whole numbers and plain fractions mean
anything but themselves. Refused: repeated keys, anchors, aliases, tags, several documents.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from housecarl.config_words import Loc

#: bytes; 1,000 people fit, and the largest file is still read in a fraction of a second
LARGEST = 256 * 1024

#: nested sections; the deepest key of ours has 6
_DEEPEST = 24

_CONSTANTS = {"true": True, "false": False, "null": None, "~": None, "": None}
#: as many digits as surely fit in 64 bits; longer ones are some kind of id and stay text
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_FRACTION = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,17}")
#: what may stand in a text file that people read: printable (YAML 1.2, 5.1), without further line
#: ends (they would shift line numbers) and direction marks (they show one thing and mean another)
_UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufefe\uff00-\ufffd"
    "\U00010000-\U0010ffff]"
)

#: the C parser of libyaml where it is built in: ten times as fast
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_QUOTES = "a value that begins with {} needs quotes"

#: where the parser is when a value without quotes begins with a sign of its own
_SIGNS = ("while scanning an alias", "while scanning an anchor", "while scanning a tag")

#: a no-break space in the place of a space that YAML sees, as copied from a page
_NO_BREAK = re.compile(r"^\s*\u00a0|:\u00a0")


class Mark(NamedTuple):
    """A place in the text; line and column count from 0."""

    line: int
    column: int


class Fault(NamedTuple):
    """What is wrong with the text itself; `spoils`: so that the value at `loc` says nothing."""

    loc: Loc
    mark: Mark
    text: str
    spoils: bool = False


@dataclass(slots=True)
class Text:
    """A parsed text: its data, and where each key and value stands.

    `broken` says that it could not be parsed to its end.
    """

    data: Any = None
    keys: dict[Loc, Mark] = field(default_factory=dict)
    values: dict[Loc, Mark] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    broken: bool = False

    def mark(self, loc: Loc, *, key: bool = False) -> Mark:
        """Where `loc` stands, or the nearest section around it that does."""
        if key and loc in self.keys:
            return self.keys[loc]
        while loc and loc not in self.values:
            loc = loc[:-1]
        return self.values.get(loc, Mark(0, 0))


def parse(text: str) -> Text:
    """Parse a whole configuration; faults are in the result, nothing is raised."""
    builder = _Builder()
    if found := _UNPRINTABLE.search(text):
        before = text[: found.start()]
        mark = Mark(before.count("\n"), found.start() - (before.rfind("\n") + 1))
        builder.stop(mark, f"character U+{ord(found[0]):04X} cannot stand here; delete it")
        return builder.text
    try:
        for event in yaml.parse(text, Loader=_Loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        if error.context in _SIGNS:
            place = error.context_mark  # `may: [*]`: the sign itself, not what follows it
        mark = Mark(place.line, place.column) if place else Mark(0, 0)
        builder.stop(mark, _reason(error, text.splitlines(), mark, builder.quoted))
    except _TooDeep as error:
        builder.stop(error.mark, f"nested more than {_DEEPEST} deep")
    return builder.text


def scalar(text: str) -> Any:
    """What an unquoted word means: `"on"` and `"0123"` themselves, `"25"` 25, `"~"` None."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    if _FRACTION.fullmatch(text):
        return float(text)
    return text


class _TooDeep(Exception):
    def __init__(self, mark: Mark) -> None:
        self.mark = mark


@dataclass(slots=True)
class _Frame:
    """A mapping or list that is being filled; `key` waits for its value."""

    into: dict[str, Any] | list[Any]
    loc: Loc
    key: str | None = None


class _Builder:
    """Turns the events of the YAML parser into a `Text`, without recursion."""

    def __init__(self) -> None:
        self.text = Text()
        #: the line on which the last value began, when it is in quotes that end on another
        self.quoted: int | None = None
        self._open: list[_Frame] = []
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        """One event of the parser."""
        assert event.start_mark is not None  # the parser marks all, only emitters do not
        mark = Mark(event.start_mark.line, event.start_mark.column)
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents == 2:
                self._fault((), mark, "a second document; the file is one, without --- inside")
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
        elif isinstance(event, yaml.NodeEvent):
            self._node(event, mark)
        assert event.end_mark is not None
        spread = getattr(event, "style", None) in ("'", '"') and mark.line < event.end_mark.line
        self.quoted = mark.line if spread else None

    def stop(self, mark: Mark, text: str) -> None:
        """The text cannot be understood from here on."""
        self.text.broken = True
        loc = self._open[-1].loc if self._open else ()
        self.text.faults.append(Fault(loc, mark, text))

    def _node(self, event: yaml.NodeEvent, mark: Mark) -> None:
        frame = self._open[-1] if self._open else None
        if frame is not None and isinstance(frame.into, dict) and frame.key is None:
            self._key(frame, event, mark)
            return
        loc = self._next(frame)
        self._plain_only(event, loc, mark)
        self.text.values.setdefault(loc, mark)
        if isinstance(event, yaml.CollectionStartEvent):
            into: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
            self._put(frame, into)
            self._enter(into, loc, mark)
        elif isinstance(event, yaml.ScalarEvent):
            plain = event.implicit[0]
            self._put(frame, scalar(event.value) if plain else event.value)
        else:
            self._put(frame, None)

    def _next(self, frame: _Frame | None) -> Loc:
        if frame is None:
            return ()
        if isinstance(frame.into, dict):
            return (*frame.loc, frame.key or "")
        return (*frame.loc, len(frame.into))

    def _key(self, frame: _Frame, event: yaml.NodeEvent, mark: Mark) -> None:
        value = event.value if isinstance(event, yaml.ScalarEvent) else ""
        loc = (*frame.loc, value)
        if not isinstance(event, yaml.ScalarEvent):
            self._fault(loc, mark, "a key must be a plain word", spoils=True)
        self._plain_only(event, loc, mark)
        assert isinstance(frame.into, dict)
        if value in frame.into:
            first = self.text.keys[loc].line + 1
            self._fault(loc, mark, f"'{value}' stands here a second time (first on line {first})")
        self.text.keys.setdefault(loc, mark)
        frame.key = value
        if isinstance(event, yaml.CollectionStartEvent):
            self._enter({} if isinstance(event, yaml.MappingStartEvent) else [], loc, mark)

    def _enter(self, into: dict[str, Any] | list[Any], loc: Loc, mark: Mark) -> None:
        if len(self._open) >= _DEEPEST:
            raise _TooDeep(mark)
        self._open.append(_Frame(into, loc))

    def _put(self, frame: _Frame | None, value: Any) -> None:
        if frame is None:
            if self._documents == 1:
                self.text.data = value
        elif isinstance(frame.into, list):
            frame.into.append(value)
        else:
            frame.into.setdefault(frame.key or "", value)
            frame.key = None

    def _plain_only(self, event: yaml.NodeEvent, loc: Loc, mark: Mark) -> None:
        """Refuse what YAML has beside values; the words are not quoted, they may be a secret."""
        tag = getattr(event, "tag", None)
        if event.anchor is not None:
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            self._fault(loc, mark, f"{_QUOTES.format(sign)}; anchors are not used", spoils=True)
        if tag is not None:
            self._fault(loc, mark, f"{_QUOTES.format('!')}; tags are not used", spoils=True)

    def _fault(self, loc: Loc, mark: Mark, text: str, *, spoils: bool = False) -> None:
        self.text.faults.append(Fault(loc, mark, text, spoils))


def _reason(error: yaml.MarkedYAMLError, lines: list[str], mark: Mark, quoted: int | None) -> str:
    """The parser's words, or better ones for what people do most."""
    line = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "a tab cannot indent; use spaces"
    for number in (mark.line, mark.line - 1):
        if 0 <= number < len(lines) and _NO_BREAK.search(lines[number]):
            return f"line {number + 1} has a no-break space (U+00A0) for a space; type a space"
    if quoted is not None:
        return f"the quotes that begin on line {quoted + 1} are not closed there"
    sign, problem = line[mark.column : mark.column + 1], error.problem or "cannot be understood"
    odd = "expected node content" in problem or "cannot start any token" in problem
    if sign in tuple("*%@`!&") or (odd and sign in tuple("?:|>#")):
        return _QUOTES.format(sign)
    if "mapping values are not allowed" in problem:
        return "a second ': ' on this line; put the value in quotes, or check the indentation"
    if "expected key" in problem or "expected '-'" in problem:
        return "does not belong here: check the indentation, and quotes and brackets before it"
    if error.context is None or error.context_mark is None:
        return problem
    begun = error.context_mark.line
    if error.context == "while scanning a simple key":  # it may be a secret, so it is not quoted
        return f"line {begun + 1} should be a key, a colon and a blank, as in spool: ../spool"
    last = lines[min(begun, len(lines) - 1)]
    hint = "; a # needs quotes" if " #" in last and "flow" in error.context else ""
    return f"{problem} ({error.context} that begins on line {begun + 1}{hint})"
