"""The shape of the house: imports point down, rooms stay small, each is on the ladder."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "daemon" / "housecarl"
MODULES = ROOT / "modules"

#: Lines of a file, of a function: beyond it there are two jobs in one room.
FILE_LINES = 300
FUNCTION_LINES = 50


def ladder() -> dict[str, int]:
    """Each room's floor, from the table in docs/flow.md; 0 is the lowest."""
    text = (ROOT / "docs" / "flow.md").read_text().partition("## The ladder")[2]
    rows = re.findall(r"^\| [^|]+ \| ([a-z_ ]+) \|$", text, re.M)[1:]
    return {name: floor for floor, row in enumerate(rows) for name in row.split()}


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@cache
def statements(path: Path) -> list[ast.AST]:
    """All of a file's statements; what stands inside one, as an expression, imports nothing."""
    found: list[ast.AST] = [ast.parse(path.read_text())]
    for node in found:
        for parts in ("body", "handlers", "cases", "orelse", "finalbody"):
            found += getattr(node, parts, ())
    return found


def room(path: Path) -> str:
    """The name on the ladder: a file's own, or that of its folder."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """The rooms of housecarl that a file imports anywhere in it, also for types only."""
    found = set()
    for node in statements(path):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "housecarl" and len(parts) > 1 and _is_room(parts[1]):
                found.add(parts[1])
    return found


@cache
def _is_room(name: str) -> bool:
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()


def test_every_room_has_its_floor() -> None:
    rooms = {room(path) for path in files()} - {"__init__"}
    assert rooms - ladder().keys() == set()


def test_imports_point_down() -> None:
    floors = ladder()
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {other}"
        for path in files()
        if (own := room(path)) != "__init__"
        for other in imports(path) - {own}
        if floors[other] >= floors[own]
    ]
    assert wrong == []


def test_no_file_has_grown_two_jobs() -> None:
    paths = [*files(), *MODULES.glob("*.py")]
    long = {
        path.name: n for path in paths if (n := len(path.read_text().splitlines())) > FILE_LINES
    }
    assert long == {}


def test_no_function_has_grown_two_jobs() -> None:
    long = [
        f"{path.name}:{node.lineno} {node.name}"
        for path in [*files(), *MODULES.glob("*.py")]
        for node in statements(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES
    ]
    assert long == []


def test_no_shipped_module_hides_a_part_of_the_standard_library() -> None:
    assert {path.stem for path in MODULES.glob("*.py")} & sys.stdlib_module_names == set()


def test_no_file_of_the_program_imports_a_module_by_name() -> None:
    names = {path.stem for path in MODULES.glob("*.py")}
    for path in files():
        for node in statements(path):
            if isinstance(node, ast.Import):
                assert not {alias.name for alias in node.names} & names, path
            elif isinstance(node, ast.ImportFrom):
                assert node.module not in names or node.level, path


def test_no_group_of_a_pattern_is_repeated_possessively() -> None:
    """Python 3.11.0 to 3.11.4 lose what it matched (CPython gh-106052); Debian 12 has 3.11.2."""
    greedy = re.compile(r"\)(?:[*+?]|\{[0-9]*,?[0-9]*\})\+|\(\?>")
    files = (*PACKAGE.rglob("*.py"), *MODULES.glob("*.py"))
    found = [(path.name, line) for path in files for line in path.read_text().splitlines()]
    assert [each for each in found if greedy.search(each[1])] == []
