"""The pages under docs/ are what a reader of Markdown sees."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_row_of_a_table_stands_under_its_head(page: Path) -> None:
    blocks = re.findall(r"(?:^\|.*\n)+", page.read_text(), re.M)
    assert [block for block in blocks if not re.match(r".*\n\|[-| ]+\|\n", block)] == []


def said(file: Path) -> str:
    """What somebody may be shown of a file: of Python the texts that are no docstring."""
    if file.suffix != ".py":
        return file.read_text()
    nodes = [*ast.walk(ast.parse(file.read_text()))]
    inner = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    texts = (node for node in nodes if isinstance(node, ast.Constant) and id(node) not in inner)
    return "\n".join(str(node.value) for node in texts)


def test_nothing_that_is_installed_sends_its_reader_to_a_page_that_is_not() -> None:
    """A wheel carries no docs/: what helps is said in words, or is a verb or a manual page."""
    page = re.compile(rf"\b({'|'.join(page.stem for page in PAGES)})\.md\b")
    files = [
        file
        for folder in ("daemon", "modules", "config", "systemd")
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and file.suffix != ".pyc" and page.search(file.read_text())
    ]
    assert [file.name for file in files if page.search(said(file))] == []
