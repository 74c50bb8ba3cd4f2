"""Text in format=flowed (RFC 3676): soft line breaks joined, space-stuffing undone."""

from __future__ import annotations

#: RFC 3676 4.3: this line is fixed although it ends in a space
_SIGNATURE = "-- "


def joined(text: str, *, delsp: bool = False) -> str:
    """The text as it was typed; `delsp` drops the space that marks each soft break.

    A line of blanks only ends a paragraph: relaxed signatures take it for an empty one.
    """
    lines: list[list[str]] = []  # pieces: adding to a long text again and again would copy it
    open_depth: int | None = None
    for line in text.split("\n"):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content.removeprefix(" ")
        soft = content.endswith(" ") and content != _SIGNATURE and not content.isspace()
        if soft and delsp:
            content = content[:-1]
        if open_depth == depth and content != _SIGNATURE:
            lines[-1].append(content)
        else:
            lines.append([f"{'>' * depth} {content}" if depth else content])
        open_depth = depth if soft else None
    return "\n".join(map("".join, lines))
