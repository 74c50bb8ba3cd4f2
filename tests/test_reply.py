"""Replies made readable."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from jinja2 import Environment

from housecarl.module import Reply
from housecarl.reply import EMPTY, MAX_TEXT, Facts, More, Renderer
from housecarl.septets import joined, septets

LAMP = Reply("lamp on. 43 W now.", rows=[("Power", "43 W")])
WEEK = Reply(
    "heater: 7 days.", bars=[("Mon", 1.5), ("Tue", 3.0), ("Wed", float("nan"))], unit="kWh"
)


def test_several_replies_are_one_text() -> None:
    assert Renderer().pages([LAMP, WEEK]) == ["lamp on. 43 W now. heater: 7 days."]


def test_a_text_has_no_rows_and_keeps_its_budget() -> None:
    cut = Renderer(budget=60).pages([Reply("word " * 30, rows=[("a", "b")])])
    assert len(cut) == 3
    assert cut[0].endswith("(1/3)")


def test_a_reply_of_pictures_only_is_not_an_empty_text() -> None:
    assert Renderer().pages([Reply("😀")]) == [EMPTY]


def test_a_mail_shows_rows_bars_and_the_log_id() -> None:
    facts = Facts("Elm Street", "7f3a")
    text = Renderer().mail([LAMP, WEEK], facts)[0]
    assert "lamp on. 43 W now.\n  Power: 43 W\n" in text
    assert "Mon        ########## 1.5 kWh\n" in text
    assert "Wed        ? kWh\n" in text
    assert text.endswith("-- \nElm Street, log 7f3a\n")
    html = Renderer().mail([LAMP, WEEK], facts)[1]
    assert ">43 W</td>" in html
    assert "width:100px;height:12px" in html
    assert "width:200px;height:12px" in html


def test_a_bar_near_the_largest_number_there_is_has_its_length() -> None:
    most = Reply("most.", bars=[("a", sys.float_info.max), ("b", sys.float_info.max / 2)])
    assert "width:100px;height:12px" in Renderer().mail([most])[1]


def test_what_is_not_above_nothing_has_no_bar() -> None:
    cold = Reply("cold.", bars=[("a", 0.0), ("b", -3.0)], unit="C")
    text, html = Renderer().mail([cold])
    assert "#" not in text
    assert "-3 C" in text
    assert "width:0px" in html and "width:-" not in html


def test_html_escapes_what_the_template_did_not_write() -> None:
    text, html = Renderer().mail([Reply("<script>&", rows=[("<b>", '"x"')])], Facts("<i>"))
    assert text == '<script>&\n  <b>: "x"\n\n-- \n<i>\n'
    assert Renderer().pages([Reply("<script>&")]) == ["<script>&"]
    assert "<script>" not in html
    assert "<b>" not in html
    assert "<i>" not in html


@pytest.mark.parametrize(
    "text", ["!plug off", " \u200b\u200f!plug off", "\uff01plug", "\n!plug", "\u2028!plug"]
)
def test_nothing_said_begins_with_the_command_symbol(text: str) -> None:
    assert Renderer().mail([Reply(text)])[0].startswith("- ")
    assert Renderer().pages([Reply(text)])[0].startswith("- ")


@pytest.mark.parametrize("house", [{"budget": 40}, {"symbol": "#"}])
def test_pages_that_were_cut_for_other_limits_are_cut_anew(house: dict[str, Any]) -> None:
    """The configuration was read again before the next `!more`."""
    more = More("", pages=("#1 and all that was left of a long answer (2/3)", "the end. (3/3)"))
    pages = Renderer(**house).pages([more])
    assert joined(pages).removeprefix("- ") == "#1 and all that was left of a long answer the end."
    assert all(septets(page) <= house.get("budget", 160) for page in pages)
    assert not pages[0].startswith(house.get("symbol", "!"))
    assert Renderer().pages([more]) == list(more.pages)


def test_pages_that_just_fit_go_as_they_were_cut() -> None:
    pages = ("a" * 34 + " (2/3)", "the end. (3/3)")
    assert Renderer(budget=40).pages([More("", pages=pages)]) == list(pages)


def test_controls_and_endless_texts_are_cut() -> None:
    assert Renderer().mail([Reply("a\x00\x1b[2J")])[0].startswith("a  [2J\n")
    text = Renderer().mail([Reply("a\x00\x1b[2J\u202eb\r\nc" + "d" * 9000)])[0]
    assert text.startswith("a  [2J b\ncdd")
    assert len(text) < MAX_TEXT + 50
    many = Reply("x", rows=[("a", "b" * 999)] * 999)
    assert len(Renderer().mail([many])[0]) < 100 * 210 + 50


def test_once_loaded_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    renderer = Renderer()
    assert not renderer.loaded
    renderer.load()
    monkeypatch.setattr(Environment, "compile", None)
    renderer.load()
    assert renderer.loaded
    assert renderer.pages([LAMP]) == ["lamp on. 43 W now."]
    assert "lamp on." in renderer.mail([LAMP])[1]
