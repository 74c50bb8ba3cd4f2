"""Every module on docs/modules.md runs, and answers as the page says."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from housecarl.arguments import Argument
from housecarl.hints import kind_of
from housecarl.testing.house import TestHouse
from housecarl.testing.phone import Phone

PAGE = (Path(__file__).parents[1] / "docs" / "modules.md").read_text()
MODULES = dict(re.findall(r"^`(\w+\.py)`:\n\n```python\n(.*?)```", PAGE, re.M | re.S))
TALKS = [
    re.findall(r"you      (.+)\nhouse    (.+)\n", block)
    for block in re.findall(r"```text\n(.*?)```", PAGE, re.S)
]


@pytest.fixture
def house_config(tmp_path: Path) -> dict[str, Any]:
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, text in MODULES.items():
        (folder / name).write_text(text)
    modules: dict[str, Any] = {}
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.S):
        modules |= yaml.safe_load(block)["modules"]
    return {"modules": modules | {"folders": [str(folder)]}}


@pytest.mark.parametrize("hint", [date, datetime, time, timedelta])
def test_a_time_is_texted_as_the_page_says(hint: type) -> None:
    """Behind a "not" stands what is refused."""
    row = re.search(rf"^\| `{hint.__name__}` \| (.+) \|$", PAGE, re.M)
    assert row is not None
    taken, _, refused = row[1].partition("; not")
    one = Argument("at", "word", kind_of(hint), None)
    words = re.findall(r"`(\S+)`", taken)
    assert words and all(isinstance(one.read(word), hint) for word in words)
    for word in re.findall(r"`(\S+)`", refused):
        with pytest.raises(ValueError, match="must be a time"):
            one.read(word)


@pytest.mark.long
def test_each_conversation_on_the_page_is_true(house: TestHouse, phone: Phone) -> None:
    assert len(MODULES) == len(TALKS) == 5
    for talk in TALKS:
        for asked, answered in talk:
            phone.text(asked)
            said = phone.reply
            head, dots, _ = answered.partition("…")
            assert (said[: len(head)] if dots else said) == head
