"""What may be a command at the top of a text."""

from __future__ import annotations

import pytest

from housecarl.trust.leading import leading


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("!a\n!b\nhello\n!c", ["!a", "!b"]),
        ("\n \n!a\n\n \t\n!b\n", ["!a", "!b"]),
        ("\u200b \u00a0!a\n  !b\nx", ["\u200b \u00a0!a", "  !b"]),
        ("\uff01a\n!b", ["\uff01a", "!b"]),
        ("/a\n!b", ["/a"]),
        ("!a\x85b\u2028!c", ["!a\x85b", "!c"]),
        ("", []),
        (" \n\u200b\n", []),
    ],
)
def test_commands_begin_alike_and_the_first_other_line_ends_them(
    text: str, lines: list[str]
) -> None:
    """Blanks, marks that do not show and full-width forms aside, as where commands are read."""
    assert leading(text) == lines
