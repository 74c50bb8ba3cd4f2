"""A new module works as it is written, and so does its test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from housecarl import skeleton
from housecarl.errors import ModuleError
from housecarl.registry import Registry

ROOT = Path(__file__).parents[1]


async def test_the_new_module_is_sound(tmp_path: Path) -> None:
    skeleton.write("hello", tmp_path / "mine")
    registry = Registry(None, [tmp_path / "mine"])
    await registry.reload()
    assert not registry.broken
    found = registry.commands["hello"]
    assert found.usage() == "hello [WHO]"
    assert found.help == "Say hello: hello Ann"


@pytest.mark.long
def test_the_new_module_and_its_test_are_typed(tmp_path: Path) -> None:
    files = skeleton.write("hello", tmp_path)
    types = [sys.executable, "-m", "mypy", "--strict", *map(str, files)]
    done = subprocess.run(types, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "name", ["", "Hello", "../x", "class", "test_x", "conftest", "a b", "x" * 33, "é"]
)
def test_a_name_that_cannot_be_texted_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModuleError, match="no name for a module"):
        skeleton.write(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "test_hello.py").write_text("mine")
    with pytest.raises(ModuleError, match="there already"):
        skeleton.write("hello", tmp_path)
    assert (tmp_path / "test_hello.py").read_text() == "mine"
    assert not (tmp_path / "hello.py").exists()
