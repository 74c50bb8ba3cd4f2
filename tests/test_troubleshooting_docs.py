"""docs/troubleshooting.md names only reasons and verbs that the program has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from housecarl.cli import VERBS
from housecarl.confirm import WrongCode
from housecarl.errors import BadArgument, CommandError, NotAllowed, UnknownCommand

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
CODE = "\n".join(path.read_text() for path in (ROOT / "daemon").rglob("*.py"))


def reasons() -> list[str]:
    table = PAGE.partition("| reason |")[2].partition("\n\n")[0]
    return [word for row in table.splitlines() for word in re.findall(r"`([a-z-]+)`", row[:60])]


@pytest.mark.parametrize("reason", reasons())
def test_a_reason_on_the_page_is_one_the_program_gives(reason: str) -> None:
    assert f'"{reason}"' in CODE


def test_why_a_message_was_not_obeyed_is_on_the_page() -> None:
    """What the sender is told, and what silence leaves to the operator."""
    known = {each.reason for each in (CommandError, UnknownCommand, BadArgument, NotAllowed)}
    assert known | {WrongCode.reason, "off", "until", "expired", "stranger"} <= set(reasons())
    assert "`housecarl why ID`, line `reason`" in PAGE


def test_each_command_on_the_page_is_a_verb() -> None:
    used = set(re.findall(r"housecarl ([a-z-]+)", PAGE)) - {"in"}
    assert used <= set(VERBS), used - set(VERBS)
