"""Aliases: words of the house's own that stand for one or several commands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from housecarl import syntax
from housecarl.errors import BadArgument, CommandError
from housecarl.module import Call

#: Commands that one message may become: a scene of a whole house, and no more.
MOST = 20

_PLACE = re.compile(r"\$([1-9*])")


def expand(
    calls: Sequence[Call], aliases: Mapping[str, Sequence[str]], language: syntax.Language
) -> tuple[Call, ...]:
    """The calls with every alias replaced by what it stands for; aliases do not nest.

    In an alias `$1` to `$9` stand for the words that follow it, `$*` for all of them. Raises
    CommandError for the sender.
    """
    found: list[Call] = []
    for call in calls:
        lines = aliases.get(call.name)
        found += [call] if lines is None else _commands(call, lines, language)
    if len(found) > MOST:
        raise CommandError(f"That makes {len(found)} commands, {MOST} are the most.")
    return tuple(found)


def _commands(call: Call, lines: Sequence[str], language: syntax.Language) -> list[Call]:
    """One alias, with the words behind it put into its places."""
    wanted = {place for line in lines for place in _PLACE.findall(line)}
    count = max((int(place) for place in wanted - {"*"}), default=0)
    if len(call.args) < count or (len(call.args) > count and "*" not in wanted):
        words = "no words" if not count else f"{count} {'word' if count == 1 else 'words'}"
        raise BadArgument(f"{call.name} takes {words} after it.")
    calls = []
    for line in lines:
        template = _read(line, language)
        args = [part for word in template.args for part in _filled(word, call.args)]
        calls.append(Call(template.name, tuple(args)))
    return calls


def _filled(word: str, args: tuple[str, ...]) -> list[str]:
    """One word of an alias with its places filled; `$*` alone may become any number of words."""
    if word == "$*":
        return list(args)
    return [_PLACE.sub(lambda m: " ".join(args) if m[1] == "*" else args[int(m[1]) - 1], word)]


def names(lines: Sequence[str], language: syntax.Language) -> list[str]:
    """The command of each line of an alias without faults."""
    return [_read(line, language).name for line in lines]


def faults(aliases: Mapping[str, Sequence[str]], language: syntax.Language) -> dict[str, str]:
    """What is wrong with aliases, by name: lines that are no command."""
    found = {}
    for name, lines in aliases.items():
        for line in lines:
            try:
                _read(line, language)
            except CommandError as error:
                found[name] = f"'{line}': {error}"
    return found


def _read(line: str, language: syntax.Language) -> Call:
    """The one command of a line, which the configuration holds to be one line."""
    return syntax.parse(language.symbol + line, "", language, most=1)[0]
