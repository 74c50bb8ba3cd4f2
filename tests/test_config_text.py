from __future__ import annotations

from typing import Any

import pytest

from housecarl.config_text import Mark, parse, scalar


@pytest.mark.parametrize(
    "text",
    ["on", "off", "yes", "no", "y", "22:30", "0123", "+13035550123", "1e3", "0x1F", "1_000", "True"]
    + [".5", "5.", "-", "=", "<<", "2026-12-31", "١٢", "1" * 40, "nan", ".inf"],
)
def test_a_word_means_itself(text: str) -> None:
    """YAML 1.1 makes booleans, base 60, octal, dates and merges of these."""
    assert scalar(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("false", False), ("null", None), ("~", None), ("", None), ("0", 0)]
    + [("-25", -25), ("1.10", 1.1), ("-0.5", -0.5)],
)
def test_only_these_mean_something_else(text: str, value: Any) -> None:
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


def test_quotes_make_text_of_anything_and_keys_are_always_text() -> None:
    text = parse("a: \"true\"\nb: '25'\non: |\n  1\n0123: off\n1: 2\n")
    assert text.data == {"a": "true", "b": "25", "on": "1\n", "0123": "off", "1": 2}
    assert text.faults == []


def test_every_key_and_value_has_its_place() -> None:
    text = parse("a:\n  b: [x, y]\n  c: {d: 1}\n")
    assert text.data == {"a": {"b": ["x", "y"], "c": {"d": 1}}}
    assert text.mark(("a", "b"), key=True) == Mark(1, 2)
    assert text.mark(("a", "b", 1)) == Mark(1, 9)
    assert text.mark(("a", "c", "d")) == Mark(2, 9)


def test_what_is_missing_is_at_what_is_around_it() -> None:
    text = parse("a:\n  b: 1\n")
    assert text.mark(("a", "z", 3)) == text.mark(("a",)) == Mark(1, 2)
    assert text.mark(("z",)) == text.mark(()) == Mark(0, 0)


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 1, "'a' stands here a second time (first on line 1)"),
        ("x: {a: 1, a: 2}\n", 1, 11, "'a' stands here a second time (first on line 1)"),
        ("a: &x 1\n", 1, 4, "begins with & needs quotes"),
        ("a: 1\nb: *x\n", 2, 4, "begins with * needs quotes"),
        ("may: [*]\n", 1, 7, "begins with * needs quotes"),
        ("symbol: !\n", 1, 9, "begins with ! needs quotes"),
        ("night: !plug lamp off\n", 1, 8, "begins with ! needs quotes"),
        ("a: !!python/object/apply:os.system [id]\n", 1, 4, "tags are not used"),
        ("a: %x\n", 1, 4, "begins with % needs quotes"),
        ("a:\n\tb: 1\n", 2, 1, "a tab cannot indent; use spaces"),
        ("a:\n  - b\n\t- c\n", 3, 1, "a tab cannot indent; use spaces"),
        ("a: b: c\n", 1, 5, "a second ': '"),
        ("a: 1\nb:2\nc: 3\n", 3, 1, "line 2 should be a key, a colon and a blank"),
        ("a: 1\nb\n", 3, 1, "line 2 should be a key, a colon and a blank"),
        ("a:\u00a01\nb: 2\n", 2, 2, "line 1 has a no-break space (U+00A0)"),
        ("a:\n\u00a0 b: 1\n  c: 2\n", 3, 4, "line 2 has a no-break space (U+00A0)"),
        ("a: 1\n---\nb: 2\n", 2, 1, "a second document"),
        ("? [a, b]\n: 1\n", 1, 3, "a key must be a plain word"),
        ("a: 1\nb: x\x07y\n", 2, 5, "U+0007"),
        ("a: \u202e1\n", 1, 4, "U+202E"),
        ("a: 1\u2028b: 2\n", 1, 5, "U+2028"),
        ("a: {symbol: #, b: 1}\nc: 2\n", 2, 2, "that begins on line 1; a # needs quotes"),
        ("a: {symbol: #}\n", 2, 1, "that begins on line 2; a # needs quotes"),
        ("a: [b\nc: 2\n", 2, 2, "did not find expected ',' or ']'"),
        ("a: {symbol: !}\n", 1, 13, "begins with ! needs quotes"),
        ("a: {symbol: ?}\n", 1, 13, "begins with ? needs quotes"),
        ("a: {symbol: |}\n", 1, 13, "begins with | needs quotes"),
        ("a:\n  b: [x]\n   c: 1\n", 3, 4, "does not belong here: check the indentation"),
        ("a:\n  - b\n  c: 1\n", 3, 3, "does not belong here: check the indentation"),
        ("a: [b]]\n", 1, 7, "check the indentation, and quotes and brackets before it"),
        ('a: "Elm\nb: ["*"]\n', 2, 6, "the quotes that begin on line 1 are not closed there"),
        ('a: "Elm\nb: ["x"]\n', 2, 6, "the quotes that begin on line 1 are not closed there"),
        ('a: "open\n', 2, 1, "quoted scalar that begins on line 1"),
        ("[" * 30, 1, 25, "nested more than 24 deep"),
    ],
)
def test_a_trap_is_named_with_its_place(text: str, line: int, column: int, words: str) -> None:
    fault = parse(text).faults[0]
    assert words in fault.text
    assert (fault.mark.line + 1, fault.mark.column + 1) == (line, column)


def test_traps_that_leave_the_rest_readable_are_all_told() -> None:
    text = parse("a: &x 1\nb: *x\nc: !t 2\na: 3\nd: on\n")
    assert len(text.faults) == 4
    assert not text.broken
    assert text.data["d"] == "on"


def test_each_repeat_names_the_first_place() -> None:
    text = parse("a: 1\na: 2\na: 3\n")
    assert [fault.mark.line for fault in text.faults] == [1, 2]
    assert all("first on line 1" in fault.text for fault in text.faults)
    assert text.data == {"a": 1}


def test_the_words_of_a_trap_are_not_repeated() -> None:
    """They may be a password that begins with the wrong sign."""
    for sign in "*&!":
        faults = parse(f"password: {sign}hunter2\n").faults
        assert faults
        assert all("hunter2" not in fault.text for fault in faults)


def test_an_empty_text_has_no_data_and_no_fault() -> None:
    for text in ("", "# only a comment\n", "---\n"):
        assert parse(text).data is None
        assert parse(text).faults == []


def test_nesting_as_deep_as_the_file_allows_ends_at_once() -> None:
    """No recursion, and no time that grows with the square of the depth."""
    for text in ("[" * 200_000, "{a: " * 60_000, "? " * 100_000, "- " * 100_000):
        assert parse(text).broken
