"""What was typed in a Google Voice text, freed of the frame that Google puts around it.

The plain part is wrapped near 75 columns and the HTML part is not; both must say the same. Footers
are in the account's language, so they are known by where they stand and what they link to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from housecarl.errors import FormError
from housecarl.message.mail import plain
from housecarl.message.markup import cells
from housecarl.message.part import Part
from housecarl.message.wrapped import squeezed

#: columns; Google breaks a line only where the next word would pass 75 (a little less is seen)
WRAP = 73
#: cells before the one with the text hold a logo at most
MAX_CELLS = 8
#: bytes of a part; a whole notice with its frame is 1 KiB of text and 5 KiB of HTML
MAX_PART = 32 * 1024

_TOP = re.compile(r"<https://voice\.google\.com/?>")
#: `YOUR ACCOUNT <https://voice.google.com> HELP CENTER`, in any language
_FOOTER = re.compile(r"[^\n<]{0,60}<https://(?:voice|support|productforums)\.google\.com[^\n>]*>")
_LINK = re.compile(r"[ \n]?<https?://[^\s<>]*>")
#: the last line of the footer of 2010 to 2015
_OLD_LINK = re.compile(r"https?://www\.google\.com/voice/?")
#: the sentence after a text, where no HTML tells it apart from the text
_TAIL = re.compile(
    r"\n(?:To respond to this text message, reply to this email or visit Google Voice\."
    r"|To respond to this message, launch Google Voice \(https://voice\.google\.com\)\s+"
    r"on your mobile device or computer\.)\s*\Z"
)


def texted(root: Part) -> str:
    """The text as it was typed, its long lines whole again.

    Raises FormError `gv-parts` for a structure Google does not send, `gv-disagree` when the plain
    and the HTML part differ.
    """
    if any(len(part.body) > MAX_PART for part in root.children or (root,)):
        raise FormError("gv-parts", "too long")
    if root.type == "text/plain":
        return _of_plain(root)
    types = [child.type for child in root.children]
    if root.type != "multipart/alternative" or types != ["text/plain", "text/html"]:
        raise FormError("gv-parts", ", ".join(types[:5]) or root.type)
    return _agreed(root.children[0], cells(root.children[1].text())[:MAX_CELLS])


def _agreed(part: Part, found: list[str]) -> str:
    """The cell that the plain part confirms, with the lines of whichever of the two has them."""
    for typed in _variants(part):
        for number, cell in enumerate(found):
            following = found[number + 1] if number + 1 < len(found) else ""
            lines = _confirmed(typed, cell, following)
            if lines is not None:
                return cell if "\n" in cell else _rejoined(lines, cell)
    raise FormError("gv-disagree")


def _variants(part: Part) -> Iterator[str]:
    """The plain part with soft breaks joined, as it stands and without the links it spells out."""
    for text in (part.text(), plain(part)):
        body = text.lstrip("\n ")
        first, _, rest = body.partition("\n")
        body = rest.lstrip("\n ") if _TOP.fullmatch(first.strip()) else body
        yield body
        yield _LINK.sub("", body)


def _confirmed(body: str, cell: str, following: str) -> str | None:
    """The beginning of a body that says what the cell says; None unless just the frame follows."""
    end = _prefix(body, cell)
    if end is None:
        return None
    rest = body[end:]
    if not rest.strip():
        return body[:end]
    if "\n" not in rest[: len(rest) - len(rest.lstrip())]:
        return None
    rest = rest.lstrip()
    framed = _FOOTER.match(rest) or (following and _prefix(_LINK.sub("", rest), following))
    return body[:end] if framed else None


def _prefix(body: str, wanted: str) -> int | None:
    """How far a body agrees with a text, white space folded; None when it does not."""
    position = 0
    for word in wanted.split():
        while position < len(body) and body[position].isspace():
            position += 1
        if not body.startswith(word, position):
            return None
        position += len(word)
        if position < len(body) and not body[position].isspace():
            return None
    return position


def _rejoined(lines: str, cell: str = "") -> str:
    """Typed line ends kept, wrapped ones undone: a wrapped line had no room for the next word."""
    result: list[str] = []
    room = 0
    for line in (line.strip() for line in lines.split("\n")):
        if result and line and room + 1 + len(line.split()[0]) > WRAP and room:
            result[-1] += f" {line}"
        else:
            result.append(line)
        room = len(squeezed(line))
    joined = "\n".join(result).strip("\n")
    return cell if cell and "\n" not in joined else joined


def _of_plain(root: Part) -> str:
    """The text of a single plain part: 2010 to 2015, or the newer frame without its HTML."""
    text = plain(root).strip("\n")
    head, mark, tail = text.rpartition("\n--\n")
    if mark and any(_OLD_LINK.fullmatch(line.strip()) for line in tail.split("\n")):
        return head.strip("\n")
    lines = text.split("\n")
    if not _TOP.fullmatch(lines[0].strip()):
        return "\n".join(lines)
    body = "\n".join(lines[1:])
    footer = re.search(rf"(?m)^{_FOOTER.pattern}", body)
    if footer:
        body = body[: footer.start()].rstrip("\n")
    return _rejoined(_TAIL.sub("", "\n" + body).strip("\n"))
