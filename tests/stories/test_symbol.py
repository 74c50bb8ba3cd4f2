"""A house with a symbol and a delimiter of its own writes its commands so, in all that it says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.stories.talk import inside

import housecarl
from housecarl.shipped import shipped
from housecarl.testing.house import TestHouse
from housecarl.testing.plug import SimulatedPlug

#: What texts a made-up house of its own, which keeps the usual symbol; comments of SQL.
USUAL = {"testing", "demo.py", "skeleton.py", "reply.py", "schema.py"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestHouse]:
    """Every shipped module is on; a plug's meter is wrong."""
    with SimulatedPlug(alias="lamp", glitch_watts=28417.0) as plug:
        plugs = {"lamp": {"host": plug.host, "port": plug.port, "max_watts": 1875}}
        modules = {
            "plug": {"plugs": plugs, "recheck": 0},
            "ping": {"hosts": {"here": "127.0.0.1"}},
            "wake": {"machines": {"nas": {"mac": "02:00:00:00:00:01"}}},
            "run": {"programs": {"date": {"argv": ["/bin/true"]}}},
        }
        folder = tmp_path_factory.mktemp("house")
        language = {"symbol": "#", "delimiter": "|"}
        limits = {"calls_per_hour": 0, "texts_per_hour": 0}
        with TestHouse(
            folder,
            modules=modules,
            language=language,
            limits={**limits, "texts_per_day": 0},
            commands={"uptime": {"risk": "danger"}},
        ) as opened:
            yield opened


@pytest.mark.long
def test_every_help_and_error_names_commands_as_they_are_texted_here(house: TestHouse) -> None:
    names = list(inside(house).registry.commands)
    assert {"help", "jobs", "weather", "plug", "stop"} <= set(names)
    phone = house.phone()
    lines = [f"#{line}" for name in names for line in (f"help|{name}", f"{name}|99|x|y|z")]
    for line in [*lines, "#jbos", "#", "#in|5m", "#firmware|lamp", "#weather"]:
        phone.text(line)
        reply = phone.wait()
        assert "!" not in reply, f"{line} -> {reply}"
    phone.text("#cancel|99")
    assert phone.reply == "You have no job 99. #jobs lists them."
    phone.text("#plug|lamp")
    assert phone.reply.endswith("Try #firmware|lamp.")
    phone.text("#uptime")
    asked = re.fullmatch(r"uptime\? Text (#yes\|\d{4}) before \d\d:\d\d\.", phone.reply)
    assert asked is not None, phone.reply
    phone.text(asked[1])
    assert " up " in phone.reply
    phone.text("#help")
    assert phone.reply.endswith(". #help|NAME tells more.")
    phone.text("#help|every")
    assert phone.reply == "every|TIME|[WORDS ...] - Do something regularly: every|day|7:00|weather."
    phone.text("#every|day 7:00|disk")
    assert phone.reply == "Job 1: every day 07:00 disk."


def test_no_wording_holds_a_command_with_the_usual_symbol() -> None:
    folders = (shipped("modules"), Path(housecarl.__file__).parent)
    files = [path for folder in folders for path in folder.rglob("*.py")]
    sources = {path: path.read_text() for path in files if not USUAL & set(path.parts)}
    found = [
        f"{path}: {text}"
        for path, source in sources.items()
        if re.search("![^=]", source)  # or there is nothing to look for
        for text in wording(ast.parse(source))
        if re.search(r"""(?:^|[\s'"`(])![\w{]""", text)
    ]
    assert len(files) > 100 and found == []


def wording(tree: ast.AST) -> Iterator[str]:
    """Every text of a file but its docstrings; `{` stands for what is filled in.

    What a module schedules is written as its author writes it, and read by nobody.
    """
    nodes = list(ast.walk(tree))
    unsaid: set[ast.AST] = {node.value for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "schedule":
            unsaid |= {part for arg in node.args for part in ast.walk(arg)}
    for node in nodes:
        if node in unsaid:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "{" for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
