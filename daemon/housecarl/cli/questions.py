"""How `init` gets its answers: typed on a terminal, or taken from a file of answers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import click

#: Bytes of the answers that are read; they are a few lines.
LARGEST = 1 << 16

#: Turns what was typed into the answer; ValueError says what is wrong with it.
Check = Callable[[str], str]


class Asker(Protocol):
    """Whoever answers; `name` is the answer's name in a file, `text` the question."""

    def ask(self, name: str, text: str, guess: str | None, check: Check) -> str:
        """The checked answer; `guess` stands when nothing is said, None asks until something is."""
        ...

    def choose(self, name: str, text: str, choices: dict[str, str], guess: str) -> str:
        """One of the names of `choices`, which come with what each is."""
        ...

    def secret(self, name: str, text: str, check: Check, kept: bool) -> str:
        """A secret, never shown; empty when one that is `kept` already stays."""
        ...

    def close(self) -> None:
        """All is asked."""
        ...


class Terminal:
    """A person at a terminal: asked again until the answer will do."""

    def __init__(self) -> None:
        """Say how to answer."""
        click.echo(
            "Enter takes what stands in brackets. Ctrl-C stops: nothing is changed.", err=True
        )

    def ask(self, name: str, text: str, guess: str | None, check: Check) -> str:
        """Enter alone takes the guess, which stands in brackets."""
        return str(
            click.prompt(
                text, default=guess, show_default=bool(guess), value_proc=_spoken(check), err=True
            )
        )

    def choose(self, name: str, text: str, choices: dict[str, str], guess: str) -> str:
        """Each choice on a line with what it is."""
        width = max(map(len, choices))
        for choice, meaning in choices.items():
            click.echo(f"    {choice:{width}}  {meaning}", err=True)
        return self.ask(name, text, guess, _one_of(choices))

    def secret(self, name: str, text: str, check: Check, kept: bool) -> str:
        """Typed without echo; asked again with the reason, which never holds what was typed."""
        hint = " (Enter keeps the one that is there)" if kept else ""
        empty = "" if kept else None
        while True:
            said = click.prompt(
                f"{text}, not shown{hint}",
                hide_input=True,
                default=empty,
                show_default=False,
                err=True,
            )
            try:
                return check(said) if said else ""
            except ValueError as error:  # click itself would not say why
                click.echo(f"Error: {error}", err=True)

    def close(self) -> None:
        """Nothing to do: whoever typed knows what."""


class Answers:
    """A file of answers: YAML, `name: answer`; the guess stands for what it does not hold."""

    def __init__(self, text: str) -> None:
        """Raises UsageError when it is no such YAML."""
        from housecarl.config_text import parse

        parsed = parse(text)
        if parsed.faults or not isinstance(parsed.data, dict):
            fault = parsed.faults[0] if parsed.faults else None
            where = f" line {fault.mark.line + 1}: {fault.text}" if fault else ""
            raise click.UsageError(f"--answers:{where or ' is no list of NAME: ANSWER'}")
        self._given: dict[str, Any] = parsed.data
        self._known: list[str] = []

    def ask(self, name: str, text: str, guess: str | None, check: Check) -> str:
        """Refuses what a terminal would ask again for."""
        said = self._said(name)
        if not said and guess is None:
            raise click.UsageError(f"--answers: '{name}' is missing: {text}")
        try:
            return check(said or guess or "")
        except ValueError as error:
            raise click.UsageError(f"--answers: {name}: {error}") from None

    def choose(self, name: str, text: str, choices: dict[str, str], guess: str) -> str:
        """Refuses what is no choice."""
        return self.ask(name, text, guess, _one_of(choices))

    def secret(self, name: str, text: str, check: Check, kept: bool) -> str:
        """The secret stands in the answers; never in what is said about them."""
        return self.ask(name, text, "" if kept else None, lambda said: check(said) if said else "")

    def close(self) -> None:
        """Refuses an answer that nobody asked for: it would be lost in silence."""
        from housecarl.config_words import near

        for name in self._given.keys() - set(self._known):
            hint = near(name, self._known) or "; no question has that name here"
            raise click.UsageError(f"--answers: unknown '{name}'{hint}")

    def _said(self, name: str) -> str:
        self._known.append(name)
        value = self._given.get(name)
        if isinstance(value, dict | list | bool | float):  # 1.50 would come back as 1.5
            raise click.UsageError(f"--answers: {name}: should be one text; put it in quotes")
        return "" if value is None else str(value)


def answers_of(path: Path) -> Answers:
    """The answers in a file; `-` is the input. A file with a secret in it must be private."""
    from housecarl.secret import exposed

    given = str(path) == "-"
    try:
        if given:
            data = sys.stdin.buffer.read(LARGEST)
        else:
            with path.open("rb") as file:
                data = file.read(LARGEST)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise click.UsageError(f"--answers: {path}: {reason}") from None
    if given:
        return Answers(text)
    if "password" in text and (fault := exposed(path).get(path)):
        raise click.UsageError(f"--answers: it holds a password and {fault}")
    return Answers(text)


def _one_of(choices: dict[str, str]) -> Check:
    def check(said: str) -> str:
        found = [choice for choice in choices if choice.startswith(said.strip().lower())]
        if len(found) != 1 or not said.strip():
            raise ValueError(f"one of {', '.join(choices)}, please")
        return found[0]

    return check


def _spoken(check: Check) -> Check:
    """The same check with the fault as click shows it before it asks again."""

    def checked(said: str) -> str:
        try:
            return check(said)
        except ValueError as error:
            raise click.UsageError(str(error)) from None

    return checked
