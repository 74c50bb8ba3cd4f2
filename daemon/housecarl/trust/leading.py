"""The lines at the top of a text that may be commands, whatever the house's symbol is."""

from __future__ import annotations

import unicodedata

from housecarl.folding import EDGES, lines


def mark(line: str) -> str:
    """The first character that means something, in its plain width; empty for a blank line."""
    return unicodedata.normalize("NFKC", line.lstrip(EDGES)[:1])


def leading(text: str) -> list[str]:
    """The lines before the first that begins in another way than those above it, blanks aside.

    Where there are commands, these are all of them: each begins with the symbol, and the first
    other line ends them.
    """
    found: list[str] = []
    symbol = ""
    for line in lines(text):
        begun = mark(line)
        symbol = symbol or begun
        if begun == symbol != "":
            found.append(line)
        elif begun:
            break
    return found
