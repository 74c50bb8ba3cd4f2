"""`!help`: the commands this person may use, or how to write one of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from housecarl.config import Config
from housecarl.judge import Judge
from housecarl.module import Call, Reply, command


def make(judge: Judge, config: Config) -> Callable[..., Awaitable[Reply]]:
    """The command, over the registry and the rights of a judge."""

    @command(aliases=("commands",))
    async def help(call: Call, name: str | None = None) -> Reply:
        """What you can text, or how to write one command: help plug"""
        symbol = config.language.symbol
        aliases = {
            alias: "; ".join(lines)
            for alias, lines in config.aliases.items()
            if judge.may_alias(call.person, alias)
        }
        if name is not None:
            word = name.removeprefix(symbol)
            if does := aliases.get(word.casefold()):
                return Reply(f"{word} does: {does}.")
            return _one(judge, call.person, word, symbol)
        allowed = judge.allowed(call.person)
        names = ", ".join([c.name for c in allowed if not c.builtin] + sorted(aliases))
        rows = [(f"{symbol}{c.usage()}", c.help) for c in allowed]
        rows += [(f"{symbol}{alias}", does) for alias, does in aliases.items()]
        if not names:
            return Reply(f"No commands for you yet. {symbol}status works.", rows=rows)
        return Reply(f"Commands: {names}. {symbol}help NAME tells more.", rows=rows)

    return help


def _one(judge: Judge, person: str, name: str, symbol: str) -> Reply:
    found = judge.find(person, name)
    rows = [("Usage", f"{symbol}{found.usage()}"), ("Help", found.help)]
    if found.aliases:
        rows.append(("Also", ", ".join(found.aliases)))
    if found.long_help:
        rows.append(("More", found.long_help))
    told = f"{found.usage()} - {found.help}" if found.help else found.usage()
    return Reply(f"{told.rstrip('.')}.", rows=rows)
