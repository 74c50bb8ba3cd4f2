"""Text in format=flowed (RFC 3676): soft line breaks joined, space-stuffing undone."""

from __future__ import annotations

from housecarl.message.wrapped import is_full

#: RFC 3676 4.3: this line is fixed although it ends in a space
_SIGNATURE = "-- "


def joined(text: str, *, delsp: bool = False) -> str:
    """The text as it was typed; `delsp` drops the space that marks each soft break.

    Blanks at a line's end are not signed by most: a line goes on in the next one only where it had
    no room for more, or whoever carries a mail could join any two lines.
    """
    lines: list[list[str]] = []  # pieces: adding to a long text again and again would copy it
    open_depth: int | None = None
    before = ""
    for line in text.split("\n"):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content.removeprefix(" ")
        goes_on = open_depth == depth and content != _SIGNATURE and is_full(before, content)
        soft = content.endswith(" ") and content != _SIGNATURE
        before = content
        if soft and delsp:
            content = content[:-1]
        if goes_on:
            lines[-1].append(content)
        else:
            lines.append([f"{'>' * depth} {content}" if depth else content])
        open_depth = depth if soft else None
    return "\n".join(map("".join, lines))
