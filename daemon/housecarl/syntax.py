"""The language of a message: text in, the calls it asks for out."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Protocol

from housecarl import folding
from housecarl.errors import CommandError
from housecarl.module import Call, House

#: Characters of one command line: over six texts joined, so nobody's thumb gets there.
MAX_LINE = 1000
#: Arguments of one command. A sentence for a `Rest` argument has one per word, hence not smaller.
MAX_ARGUMENTS = 100

#: Behind one of these a full stop belongs to what was typed.
_BEFORE_KEPT_STOP = ".。" + folding.BLANKS


class Language(Protocol):
    """How commands are written in this house: both are single characters."""

    @property
    def symbol(self) -> str:
        """What a command line starts with."""
        ...

    @property
    def delimiter(self) -> str:
        """What stands between words; a space keeps quoted words together."""
        ...


def parse(text: str, subject: str, language: Language, most: int) -> tuple[Call, ...]:
    """The calls of a message, none if it holds no command; takes time linear in the text.

    One command a line, blank lines aside; the first other line ends them. Only when the text holds
    no command may the subject carry one. Raises CommandError, worded for the sender, when a command
    line cannot be read or there are more than `most`: then nothing of the message may run.
    """
    calls = [_call(line, language) for line in _first_commands(text, language.symbol, most)]
    if len(calls) > most:
        many = "command" if most == 1 else "commands"
        raise CommandError(f"At most {most} {many} in one message. Nothing was done.")
    if calls:
        return tuple(calls)
    command = _after_symbol(subject, language.symbol)
    return () if command is None else (_call(command, language),)


def write(words: tuple[str, ...], language: Language) -> str:
    """A command line that `parse` reads as these words again."""
    return House(symbol=language.symbol, delimiter=language.delimiter).typed(*words)


def _first_commands(text: str, symbol: str, most: int) -> Iterator[str]:
    """What follows the symbol in each leading command line; one more than allowed, then no more."""
    found = 0
    for line in folding.lines(text):
        command = _after_symbol(line, symbol)
        if command is not None:
            yield command
            found += 1
        elif line.strip(folding.EDGES):
            return
        if found > most:
            return


def _after_symbol(line: str, symbol: str) -> str | None:
    """The line behind its symbol, without its end; None when it does not start with the symbol."""
    line = line.lstrip(folding.EDGES)
    if not line or not folding.same(line[0], symbol):
        return None
    return line[1:].rstrip(folding.EDGES)


def _call(line: str, language: Language) -> Call:
    if len(line) > MAX_LINE:
        raise CommandError(f"That line is over {MAX_LINE} characters long. Nothing was done.")
    if folding.unreadable(line):
        raise CommandError("Some characters of that command arrived damaged. Nothing was done.")
    name, *args = _words(_without_stop(line), language.delimiter) or [""]
    name = name.removesuffix(".").casefold()
    if folding.hides_something(name):
        raise CommandError("There is a hidden character in that command. Nothing was done.")
    if not name:
        raise CommandError(f"No command after the {language.symbol}. Nothing was done.")
    if len(args) > MAX_ARGUMENTS:
        raise CommandError(f"{name[:40]}: over {MAX_ARGUMENTS} words. Nothing was done.")
    return Call(name, tuple(arg.strip(folding.INVISIBLE) for arg in args))


def _without_stop(line: str) -> str:
    """`line` without a final full stop; dots of an ellipsis and one that stands alone are kept."""
    if line.endswith((".", "。")) and line[-2:-1] not in _BEFORE_KEPT_STOP:
        return line[:-1]
    return line


def _words(line: str, delimiter: str) -> list[str]:
    """The name and the arguments; a delimiter that is not a space splits exactly there."""
    if delimiter == " ":
        return _quoted_words(folding.typed(line))
    parts = folding.one_width(line, delimiter).split(delimiter)
    return [folding.typed(part).strip() for part in parts]


def _quoted_words(line: str) -> list[str]:
    """Words between blanks; double quotes keep words together, and nothing else is special.

    A quote without its partner (`6" pipe`) is an ordinary character, as are all of that line.
    """
    if '"' not in line:
        return line.split()
    lexer = shlex.shlex(line, posix=True)
    lexer.whitespace = " "
    lexer.whitespace_split = True
    lexer.quotes = '"'
    lexer.escape = lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:
        return line.split()
