"""The pages under docs/ are what a reader of Markdown sees."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parents[1] / "docs").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_row_of_a_table_stands_under_its_head(page: Path) -> None:
    blocks = re.findall(r"(?:^\|.*\n)+", page.read_text(), re.M)
    assert [block for block in blocks if not re.match(r".*\n\|[-| ]+\|\n", block)] == []
