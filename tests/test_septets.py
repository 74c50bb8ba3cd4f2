"""What fits into a text message."""

from __future__ import annotations

import gsm0338
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import cost

from housecarl.septets import pages, parts, plain, septets


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("21 °C", "21 C"),
        ("“don’t” — wait…", '"don\'t" - wait...'),
        ("Łódź é ñ £ €", "Lodz é ñ £ €"),
        ("`x`", "'x'"),
        ("a\r\n\tb\u00a0 c", "a b c"),
        ("on 😀 now", "on now"),
        ("a\u200bb\x1b\x00c\u202e", "abc"),
        ("５ ½ → •", "5 1/2 > *"),
        ("7：30 ∷", "7:30 ::"),
    ],
)
def test_what_gsm_lacks_is_written_another_way(text: str, line: str) -> None:
    assert plain(text) == line


def test_escaped_characters_cost_two() -> None:
    assert septets("a|b") == 4
    assert septets("[]{}^~\\|€") == 18
    assert parts("a" * 160) == 1
    assert parts("a" * 161) == 2
    assert parts("|" * 81) == 2


def test_no_escape_is_parted_from_its_character() -> None:
    """A part of 153 septets holds 76 of them, so one septet of it stays empty (3GPP TS 23.038)."""
    assert [parts("a" * n) for n in (2 * 153, 2 * 153 + 1)] == [2, 3]
    assert [parts("|" * n) for n in (2 * 76, 2 * 76 + 1)] == [2, 3]
    assert parts("a" * 152 + "|" + "a" * 152) == 3


@given(st.text(max_size=80))
def test_the_count_is_that_of_the_encoded_bytes(text: str) -> None:
    line = plain(text)
    assert len(gsm0338.Codec().encode(line)[0]) == septets(line)
    assert plain(line) == line


def test_a_short_text_is_one_page_without_a_number() -> None:
    assert pages("lamp on.") == ["lamp on."]
    assert pages("a" * 160) == ["a" * 160]


def test_a_long_text_is_cut_at_words_and_numbered() -> None:
    text = " ".join(f"word{n}" for n in range(60))
    cut = pages(text)
    assert [page[-6:] for page in cut] == [" (1/3)", " (2/3)", " (3/3)"]
    assert all(septets(page) <= 160 for page in cut)
    assert " ".join(page[:-6] for page in cut) == text


def test_no_page_begins_with_the_command_symbol() -> None:
    cut = pages("x" * 150 + " !firmware lamp flash " + "!" * 400)
    assert len(cut) > 3
    assert not any(page.startswith("!") for page in cut)
    assert pages("！help") == ["- !help"]


def test_also_ten_thousand_pages_keep_the_budget() -> None:
    cut = pages(f"{'a' * 27} " * 10_000, 40)
    assert len(cut) > 9_999
    assert cut[-1].endswith(f"({len(cut)}/{len(cut)})")
    assert max(map(septets, cut)) <= 40


@given(st.text(alphabet="ab |!€\n", max_size=1500), st.integers(0, 200))
def test_pages_keep_the_budget_and_every_character(text: str, budget: int) -> None:
    cut = pages(text, budget)
    assert all(septets(page) <= max(budget, 40) for page in cut)
    assert not any(page.startswith("!") for page in cut)
    bare = "".join(page.rpartition(" (")[0] if len(cut) > 1 else page for page in cut)
    assert bare.replace(" ", "").replace("-", "") == plain(text).replace(" ", "")


def test_a_huge_word_takes_no_time() -> None:
    with cost.at_most(0.2):
        assert len(pages("x" * 20_000)) > 100
