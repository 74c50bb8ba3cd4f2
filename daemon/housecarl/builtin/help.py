"""`!help`: the commands this person may use, or how to write one of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from housecarl.commands import Command
from housecarl.config import Config
from housecarl.judge import Judge
from housecarl.means import words_of
from housecarl.module import Call, House, Reply, command


def make(judge: Judge, config: Config) -> Callable[..., Awaitable[Reply]]:
    """The command, over the registry and the rights of a judge."""

    @command(aliases=("commands",))
    async def help(call: Call, name: str | None = None) -> Reply:
        """What you can text, or how to write one command: help plug"""
        house = config.facts
        aliases = {
            alias: "; ".join(lines)
            for alias, lines in config.aliases.items()
            if judge.may_alias(call.person, alias)
        }
        if name is not None:
            word = name.removeprefix(house.symbol)
            if does := aliases.get(word.casefold()):
                return Reply(f"{word} does: {does}.")
            return _one(judge.find(call.person, word), house)
        allowed = judge.allowed(call.person)
        names = ", ".join([c.name for c in allowed if not c.builtin] + sorted(aliases))
        rows = [(_usage(c, house), _help(c, house)) for c in allowed]
        rows += [(house.typed(alias), does) for alias, does in aliases.items()]
        if not names:
            return Reply(f"No commands for you yet. {house.typed('status')} works.", rows=rows)
        return Reply(f"Commands: {names}. {house.typed('help', 'NAME')} tells more.", rows=rows)

    return help


def _one(found: Command, house: House) -> Reply:
    usage, help = _usage(found, house), _help(found, house)
    rows = [("Usage", usage), ("Help", help)]
    if found.aliases:
        rows.append(("Also", ", ".join(found.aliases)))
    if found.long_help:
        rows.append(("More", found.long_help))
    usage = usage.removeprefix(house.symbol)
    told = f"{usage} - {help}" if help else usage
    return Reply(f"{told.rstrip('.')}.", rows=rows)


def _usage(found: Command, house: House) -> str:
    return house.symbol + found.usage(house.delimiter)


def _help(found: Command, house: House) -> str:
    """Its help; the example, which its author wrote for the usual house, as it is texted here."""
    said, colon, example = found.help.rpartition(": ")
    if house.delimiter == " " or not example.startswith(f"{found.name} "):
        return found.help
    try:
        words = words_of(example)
    except ValueError:
        return found.help
    return said + colon + house.typed(*words).removeprefix(house.symbol)
