"""The language of a message, as interface.md of the docs states it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import cost

from housecarl import syntax
from housecarl.errors import CommandError


@dataclass(frozen=True)
class Language:
    symbol: str = "!"
    delimiter: str = " "


SPACES = Language()
BARS = Language(delimiter="|")

MOST = 5


def words(text: str, subject: str = "", language: Language = SPACES) -> list[list[str]]:
    return [call.words for call in syntax.parse(text, subject, language, MOST)]


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("!plug lamp on", [["plug", "lamp", "on"]]),
        ("\n\n  !help", [["help"]]),
        (
            "!plug a on\n!ping nas\r\n\n!help\n\nthanks\n!plug b off",
            [["plug", "a", "on"], ["ping", "nas"], ["help"]],
        ),
        ("!ping nas\nOn Monday you wrote:\n!plug lamp off", [["ping", "nas"]]),
        ("!ping nas\n> !plug lamp off", [["ping", "nas"]]),
        ("!ping nas\n \u200b\t\n\u3000\n!help", [["ping", "nas"], ["help"]]),
        ("good morning\n!plug lamp off", []),
        ("", []),
        ("?plug lamp", []),
    ],
)
def test_leading_command_lines_run_and_nothing_below_them(
    text: str, calls: list[list[str]]
) -> None:
    assert words(text) == calls


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("!Plug LAMP on", ["plug", "LAMP", "on"]),
        ("! plug lamp on", ["plug", "lamp", "on"]),
        ("!plug\u00a0lamp\u202fon", ["plug", "lamp", "on"]),
        ("!plug lamp on.", ["plug", "lamp", "on"]),
        ("!plug. lamp on", ["plug", "lamp", "on"]),
        ("!ping 192.168.1.1.", ["ping", "192.168.1.1"]),
        ("!ping 192.168.1.1", ["ping", "192.168.1.1"]),
        ("!say wait...", ["say", "wait..."]),
        ("!list .", ["list", "."]),
        ("!list\u00a0.", ["list", "."]),
        ("!say \u597d\u3002", ["say", "\u597d"]),
        ("!say \u597d\u3002\u3002", ["say", "\u597d\u3002\u3002"]),
        ("!\u00a0\u3000plug lamp", ["plug", "lamp"]),
        ("\uff01plug lamp", ["plug", "lamp"]),
        ("\u200f\ufeff \u202b!plug lamp\u202c\u200e", ["plug", "lamp"]),
        ("!say \u201ctwo words\u201d \u2014 don\u2019t", ["say", "two words", "--", "don't"]),
        ("!add \u22125\u2026", ["add", "-5..."]),
        ('!say "two  words" end', ["say", "two  words", "end"]),
        ('!say "two words" XX XL', ["say", "two words", "XX", "XL"]),
        ('!say ""', ["say", ""]),
        ('!say 6" pipe', ["say", '6"', "pipe"]),
        ("!weather coeur d'alene", ["weather", "coeur", "d'alene"]),
        ("!say a\\b #c $(d) `e`", ["say", "a\\b", "#c", "$(d)", "`e`"]),
        ("!call \u202dann", None),
        ("!call \u200eann\u200e", ["call", "ann"]),
    ],
)
def test_a_phone_keyboard_is_forgiven(text: str, call: list[str] | None) -> None:
    if call is None:
        with pytest.raises(CommandError):
            words(text)
    else:
        assert words(text) == [call]


@pytest.mark.parametrize(
    ("text", "call"),
    [
        (
            "!Say|kitchen|\u201cdinner\u2019s ready\u201d \u2014 come down",
            ["say", "kitchen", '"dinner\'s ready" -- come down'],
        ),
        ("!ping|192.168.1.1", ["ping", "192.168.1.1"]),
        ("!weather|10001", ["weather", "10001"]),
        ("!plug\uff5c living room | off. ", ["plug", "living room", "off"]),
        ("!plug||off", ["plug", "", "off"]),
        ("!help", ["help"]),
    ],
)
def test_another_delimiter_splits_exactly_there(text: str, call: list[str]) -> None:
    assert words(text, language=BARS) == [call]


def test_a_delimiter_that_folding_would_touch_still_splits() -> None:
    assert words("!a\u2014b", language=Language(delimiter="\u2014")) == [["a", "b"]]
    assert words("!a.b.on.", language=Language(delimiter=".")) == [["a", "b", "on"]]
    assert words("\u00bfplug lamp", language=Language(symbol="\u00bf")) == [["plug", "lamp"]]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028", "\u2029"])
def test_a_line_ends_where_a_keyboard_ends_it(end: str) -> None:
    assert words(f"!help{end}!plug lamp on{end}hello") == [["help"], ["plug", "lamp", "on"]]


def test_the_subject_carries_the_one_command_when_the_body_holds_none() -> None:
    assert words("-- \nAnn", "!plug lamp on") == [["plug", "lamp", "on"]]
    assert words("!help", "!plug lamp on") == [["help"]]
    assert words("hello", "Re: !plug lamp on") == []
    with pytest.raises(CommandError, match="damaged"):
        words("", "!help\r\n!plug lamp on")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("!help\n" * 6, "At most 5 commands in one message."),
        ("!help\n" * 6 + "!\n", "At most 5 commands in one message."),
        ("!plug la\ufffdmp on", "Some characters of that command arrived damaged."),
        ("!plug lamp\x07 on", "Some characters of that command arrived damaged."),
        ("!\x1fplug lamp on", "Some characters of that command arrived damaged."),
        *(
            (f"!plug lamp on{mark}30", "Some characters of that command arrived damaged.")
            for mark in "\v\f\x1c\x1d\x1e\x85"
        ),
        ("!pl\u202eug lamp", "Some characters of that command arrived damaged."),
        ("!plug \u2066lamp", "Some characters of that command arrived damaged."),
        ("!pl\u200bug lamp", "There is a hidden character in that command."),
        ("!\u200fplug lamp", "There is a hidden character in that command."),
        ("!", "No command after the !."),
        ("!.", "No command after the !."),
        ("!help\n! ", "No command after the !."),
        ('!"" lamp', "No command after the !."),
        ("!say " + "a" * 997, "That line is over 1000 characters long."),
        ("!say" + " a" * 101, "say: over 100 words."),
        ("!" + "b" * 50 + " a" * 101, "b" * 40 + ": over 100 words."),
    ],
)
def test_a_line_that_cannot_be_read_stops_the_message_with_a_sentence(text: str, says: str) -> None:
    with pytest.raises(CommandError) as caught:
        words(text)
    assert str(caught.value) == f"{says} Nothing was done."


def test_a_house_may_allow_one_command_only() -> None:
    assert len(syntax.parse("!help\nAnn", "", SPACES, most=1)) == 1
    with pytest.raises(CommandError, match=r"^At most 1 command in one message\."):
        syntax.parse("!help\n!help", "", SPACES, most=1)


def test_a_thousand_characters_and_a_hundred_words_are_allowed() -> None:
    assert words("!say " + "a" * 996) == [["say", "a" * 996]]
    assert words("!say" + " a" * 100) == [["say", *"a" * 100]]


@pytest.mark.parametrize(
    ("language", "line"),
    [
        (SPACES, '!say "" "two words" three'),
        (BARS, "!say||two words|three"),
        (Language(symbol="?", delimiter=";"), "?say;;two words;three"),
    ],
)
def test_what_is_written_is_read_as_the_same_words(language: Language, line: str) -> None:
    said = ("say", "", "two words", "three")
    assert syntax.write(said, language) == line
    assert words(line, language=language) == [list(said)]


def test_five_commands_are_allowed() -> None:
    assert words("!help\n" * 5 + "Ann") == [["help"]] * 5


@pytest.mark.long(after=3)
@pytest.mark.parametrize(
    "text",
    [
        "\u200b" * 250_000 + "!",
        "\n" * 250_000,
        "!" * 250_000,
        "!\n" * 125_000,
        '!say "' + '" "' * 80_000,
        " \u00a0" * 125_000 + "x",
    ],
    ids=["marks", "lines", "symbols", "bare", "quotes", "blanks"],
)
def test_a_hostile_quarter_megabyte_takes_no_time(text: str) -> None:
    with cost.at_most(0.2), contextlib.suppress(CommandError):
        words(text)


@given(st.text(max_size=300), st.text(max_size=60), st.sampled_from([SPACES, BARS]))
def test_any_text_gives_bounded_calls_or_a_sentence(
    text: str, subject: str, language: Language
) -> None:
    try:
        calls = syntax.parse("!" + text, subject, language, MOST)
    except CommandError as error:
        assert "\n" not in str(error)
    else:
        assert 1 <= len(calls) <= MOST
        for call in calls:
            assert call.name
            assert call.name == call.name.casefold()
            assert not any("\ufffd" in word or "\n" in word for word in call.words)


@given(
    st.lists(
        st.from_regex(r"[a-z0-9:/][a-z0-9.:/-]{0,8}[a-z0-9]", fullmatch=True),
        min_size=1,
        max_size=6,
    )
)
def test_plain_words_come_through_unchanged(typed: list[str]) -> None:
    assert words("!" + " ".join(typed)) == [typed]
    assert words("!" + "|".join(typed), language=BARS) == [typed]
