"""Imports point down: each file uses lower floors only, files of one folder may use each other."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "daemon" / "housecarl"

#: The ladder of docs/flow.md: what stands in a row may use what stands in the rows above it.
LADDER: tuple[frozenset[str], ...] = tuple(
    frozenset(row.split())
    for row in (
        "errors shipped verdict",
        "module clock message",
    )
)


def rooms() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    """The name on the ladder: a file's own, or that of its folder."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """The rooms of housecarl that a file imports anywhere in it, also for types only."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
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


def _is_room(name: str) -> bool:
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()
