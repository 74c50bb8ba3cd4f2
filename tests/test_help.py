"""`!help` lists what a person may text, and tells of one command all there is to know."""

from __future__ import annotations

from pathlib import Path

import pytest

from housecarl.builtin import help
from housecarl.config import Config
from housecarl.errors import UnknownCommand
from housecarl.judge import Judge
from housecarl.module import Call, Reply
from housecarl.registry import Registry
from housecarl.trust import Answers, Trust

MODULE = '''
from housecarl import Call, Reply, command


@command(aliases=("d", "delve"))
async def dig(call: Call, where: str) -> Reply:
    """Dig a hole: dig here

    Mind the pipes.
    """
    return Reply("Dug.")


@command()
async def fill(call: Call) -> Reply:
    return Reply("Filled.")
'''
NOTES = '''
from housecarl import Call, Reply, command


@command()
async def note(call: Call, text: str) -> Reply:
    """Note something: note "two words" """
    return Reply("Noted.")
'''
PEOPLE = {"ann": {"may": ["*"]}, "bo": {"may": ["fill"]}, "cy": {"may": ["sing"]}}


async def helped(
    folder: Path, person: str, name: str | None = None, delimiter: str = " "
) -> tuple[str, dict[str, str]]:
    """What `!help` says, and its table."""
    (folder / "garden.py").write_text(MODULE)
    registry = Registry(None, [folder], trial=None)
    aliases = {} if delimiter != " " else {"moat": ["dig $1", "fill"]}
    given = {"people": PEOPLE, "aliases": aliases, "language": {"delimiter": delimiter}}
    config = Config.model_validate(given)
    judge = Judge(config, Trust({}, Answers({})), registry, lambda _: False)
    command = help.make(judge, config)
    registry.add_builtin(command)
    await registry.reload()
    reply: Reply = await command(Call("help", (), person=person), name)
    return reply.text, dict(reply.rows)


async def test_the_list_is_of_what_a_person_may(tmp_path: Path) -> None:
    text, rows = await helped(tmp_path, "ann")
    assert text == "Commands: dig, fill, moat. !help NAME tells more."
    assert list(rows) == ["!dig WHERE", "!fill", "!help [NAME]", "!moat"]
    assert (rows["!dig WHERE"], rows["!moat"]) == ("Dig a hole: dig here", "dig $1; fill")
    text, rows = await helped(tmp_path, "bo")
    assert text == "Commands: fill. !help NAME tells more."
    assert list(rows) == ["!fill", "!help [NAME]"]
    text, rows = await helped(tmp_path, "cy")
    assert text == "No commands for you yet. !status works."
    assert list(rows) == ["!help [NAME]"]


async def test_one_command_is_told_with_all_its_names(tmp_path: Path) -> None:
    for name in ("dig", "Delve", "!d"):
        text, rows = await helped(tmp_path, "ann", name)
        assert text == "dig WHERE - Dig a hole: dig here."
        assert rows == {
            "Usage": "!dig WHERE",
            "Help": "Dig a hole: dig here",
            "Also": "d, delve",
            "More": "Mind the pipes.",
        }
    assert await helped(tmp_path, "bo", "fill") == ("fill.", {"Usage": "!fill", "Help": ""})
    with pytest.raises(UnknownCommand):
        await helped(tmp_path, "bo", "dig")


async def test_of_an_alias_it_is_told_what_it_does(tmp_path: Path) -> None:
    assert await helped(tmp_path, "ann", "!Moat") == ("Moat does: dig $1; fill.", {})
    with pytest.raises(UnknownCommand):
        await helped(tmp_path, "bo", "moat")


async def test_what_an_example_has_in_quotes_is_one_word_of_it(tmp_path: Path) -> None:
    (tmp_path / "notes.py").write_text(NOTES)
    text, _ = await helped(tmp_path, "ann", "note", delimiter="|")
    assert text == "note|TEXT - Note something: note|two words."
    text, _ = await helped(tmp_path, "ann", "note")
    assert text == 'note TEXT - Note something: note "two words".'
