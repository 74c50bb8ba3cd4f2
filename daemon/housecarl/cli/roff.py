"""A manual page in the language of man(7), built piece by piece."""

from __future__ import annotations

import re

#: `code` as the help texts write it
_CODE = re.compile(r"`([^`]+)`")


class Page:
    """One page; each method adds a piece, `text` is the whole file."""

    def __init__(self, name: str, number: int, version: str, what: str) -> None:
        # no date: the same source gives the same page on every day
        self._lines = [
            f'.TH "{_plain(name.upper())}" "{number}" "" "{_plain(version)}" "housecarl manual"',
            ".nh",  # a key or an option that is cut in two cannot be searched for
            ".ad l",
            ".SH NAME",
            rf"{_plain(name)} \- {_plain(what)}",
        ]

    @property
    def text(self) -> str:
        """The file."""
        return "\n".join(self._lines) + "\n"

    def section(self, heading: str) -> None:
        """A heading in capitals."""
        self._lines.append(f'.SH "{_plain(heading.upper())}"')

    def part(self, heading: str) -> None:
        """A heading within a section."""
        self._lines.append(f'.SS "{_plain(heading)}"')

    def prose(self, text: str) -> None:
        r"""Paragraphs with an empty line between them; one that begins with `\b` keeps its lines.

        That is how click marks such a paragraph in a help text.
        """
        for paragraph in re.split(r"\n\s*\n", text.strip()):
            self._lines.append(".PP")
            first, _, rest = paragraph.partition("\n")
            if first.strip() == "\b":
                self._kept(rest)
            else:
                self._lines.append(_inline(" ".join(paragraph.split())))

    def tagged(self, tag: str, text: str, aside: str = "") -> None:
        """A term in bold, what stands beside it, and its explanation set in below."""
        beside = f" {_plain(aside)}" if aside else ""
        self._lines += [".TP", rf"\fB{_plain(tag)}\fR{beside}", _inline(text) or r"\&"]

    def example(self, text: str) -> None:
        """Lines as they are, set in."""
        self._lines += [".PP", ".RS 4"]
        self._kept(text)
        self._lines.append(".RE")

    def _kept(self, text: str) -> None:
        self._lines += [".nf", *(_guarded(_plain(line)) for line in text.splitlines()), ".fi"]


def _inline(text: str) -> str:
    """A line of prose, its `code` in bold."""
    parts = _CODE.split(text)
    marked = [rf"\fB{_plain(part)}\fR" if n % 2 else _plain(part) for n, part in enumerate(parts)]
    return _guarded("".join(marked))


def _plain(text: str) -> str:
    """Text that means itself: groff gives \\ - ' ^ ~ ` and quotes in arguments a meaning."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace('"', r"\(dq")
    text = text.replace("'", r"\(aq").replace("^", r"\(ha").replace("~", r"\(ti")
    text = text.replace("`", r"\(ga")
    return "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in text)


def _guarded(line: str) -> str:
    """A dot that begins a line would make it a request."""
    return rf"\&{line}" if line.startswith(".") else line
