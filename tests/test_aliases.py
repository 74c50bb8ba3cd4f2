"""Aliases: what a word becomes, and which lines are no command."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from housecarl.aliases import MOST, expand, faults
from housecarl.errors import BadArgument, CommandError
from housecarl.module import Call


@dataclass(frozen=True)
class Language:
    symbol: str = "!"
    delimiter: str = " "


ALIASES = {
    "only": ["plug $1 on"],
    "swap": ["plug $2 on", "plug $1 off"],
    "tell": ['say "all: $*" $*'],
    "flood": ["ping nas"] * MOST,
}


def lines(*words: str) -> list[str]:
    return [
        " ".join(call.words) for call in expand([Call(words[0], words[1:])], ALIASES, Language())
    ]


@pytest.mark.parametrize(
    ("typed", "becomes"),
    [
        (("only", "lamp"), ["plug lamp on"]),
        (("swap", "lamp", "living room"), ["plug living room on", "plug lamp off"]),
        (("tell", "a", "b"), ["say all: a b a b"]),
        (("tell",), ["say all: "]),
        (("ping", "nas"), ["ping nas"]),
    ],
)
def test_the_words_behind_it_go_into_their_places(
    typed: tuple[str, ...], becomes: list[str]
) -> None:
    assert lines(*typed) == becomes


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (("only",), "only takes 1 word after it."),
        (("only", "a", "b"), "only takes 1 word after it."),
        (("swap", "a"), "swap takes 2 words after it."),
        (("flood", "a"), "flood takes no words after it."),
    ],
)
def test_too_few_or_too_many_words_are_told(typed: tuple[str, ...], says: str) -> None:
    with pytest.raises(BadArgument, match=f"^{says}$"):
        lines(*typed)


def test_a_message_becomes_twenty_commands_at_most() -> None:
    flood = Call("flood", ())
    assert len(expand([flood], ALIASES, Language())) == MOST
    with pytest.raises(CommandError, match="^That makes 40 commands, 20 are the most.$"):
        expand([flood, flood], ALIASES, Language())


def test_a_line_that_is_no_command_is_a_fault() -> None:
    wrong = {
        "fine": ["ping nas"],
        "empty": [""],
        "bad": ["ping \x07"],
    }
    assert faults(wrong, Language()) == {
        "empty": "'': No command after the !. Nothing was done.",
        "bad": "'ping \x07': Some characters of that command arrived damaged. Nothing was done.",
    }
