"""The text of a new module and of its test, to be filled in by its author."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from housecarl.errors import ModuleError
from housecarl.module_folders import is_module

#: a command's name that is a file's and a function's name too
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")

_MODULE = '''"""Say hello."""

from housecarl import Call, CommandError, Reply, Risk, command


@command(risk=Risk.LOOK, timeout=20)
async def {name}(call: Call, who: str = "") -> Reply:
    """Say hello: {name} Ann

    The first line is the help, with an example; these lines are the long help. Risk.LOOK only
    reads; Risk.CHANGE runs at most once per message; Risk.DANGER asks for a code first.
    """
    if who.isdigit():
        raise CommandError(f"{{who}} is no name.")
    return Reply(f"Hello {{who or call.person}}.", rows=[("Name", who or call.person)])
'''

_TEST = '''"""What {name} answers, texted to a real house on loopback."""

from pathlib import Path
from typing import Any

import pytest
from housecarl.testing.phone import Phone


@pytest.fixture
def house_config() -> dict[str, Any]:
    """The house has the module beside this file."""
    return {{"modules": {{"folders": [str(Path(__file__).parent)]}}}}


def test_{name}_says_hello(phone: Phone) -> None:
    phone.text("!{name} Ann")
    assert phone.reply == "Hello Ann."


def test_{name}_knows_a_name(phone: Phone) -> None:
    phone.text("!{name} 7")
    assert phone.reply == "7 is no name."
'''


def check_name(name: str) -> None:
    """Raise ModuleError for what cannot be the name of a module."""
    if not _NAME.fullmatch(name) or keyword.iskeyword(name) or not is_module(f"{name}.py"):
        raise ModuleError(f"{name!r} is no name for a module: a-z, then a-z 0-9 _, at most 32")


def write(name: str, folder: Path) -> tuple[Path, Path]:
    """Write `NAME.py` and `test_NAME.py` into a folder; ModuleError when one is there already.

    The registry does not take a file that starts with `test_` for a module, so both stand together.
    """
    check_name(name)
    files = folder / f"{name}.py", folder / f"test_{name}.py"
    for file in files:
        if file.exists():
            raise ModuleError(f"{file} is there already")
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in zip(files, (_MODULE, _TEST), strict=True):
        with file.open("x") as out:
            out.write(text.format(name=name))
    return files
