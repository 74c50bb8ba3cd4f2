"""The commands as they stand: which file gives which, which is off and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any, NamedTuple

from housecarl.commands import Command
from housecarl.config_words import near
from housecarl.errors import Problem
from housecarl.module_settings import Checked, Locate


class Seen(NamedTuple):
    """What tells that a file was changed."""

    #: when it was written, or its rights were changed
    ctime_ns: int
    size: int
    inode: int


class Entry(NamedTuple):
    """One module file with its settings, or broken (`error`, "file:line: text")."""

    file: str
    section: str
    seen: Seen | None
    module: ModuleType | None = None
    commands: tuple[Command, ...] = ()
    error: str = ""
    checked: Checked = Checked()


@dataclass(frozen=True, slots=True)
class Index:
    """Built whole from all entries, then swapped in one step."""

    words: dict[str, Command] = field(default_factory=dict)
    commands: dict[str, Command] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    unset: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def index_of(
    builtins: Sequence[Command],
    entries: Sequence[Entry],
    sections: Mapping[str, Any],
    locate: Locate,
) -> Index:
    """Put the commands of all entries together; earlier entries win.

    The first sound file of a name has the word over its section too: where a later one does not fit
    it, that file is at fault and not the configuration.
    """
    index = Index(commands={command.name: command for command in builtins})
    problems: list[Problem] = []
    firsts: dict[str, str] = {}
    for entry in entries:
        first = entry.file if entry.error else firsts.setdefault(entry.section, entry.file)
        if entry.error:
            index.broken[entry.file] = entry.error
        elif first != entry.file and (entry.checked.problems or entry.checked.unset):
            index.broken[entry.file] = (
                f"{entry.file}:1: the section modules.{entry.section} is that of {first};"
                " give this file another name"
            )
        elif entry.checked.problems:
            problems += entry.checked.problems
            index.broken[entry.file] = str(entry.checked.problems[0]).splitlines()[0]
        elif entry.checked.unset:
            index.unset[entry.file] = entry.checked.unset
        else:
            _enter(index, entry)
    known = {entry.section for entry in entries}
    for name in sections:
        if name not in known:
            text = f"no module '{name}'{near(name, known)}"
            problems.append(locate(("modules", name), text))
            index.missing[name] = f"a start would be refused: {str(problems[-1]).splitlines()[0]}"
    _enter_words(index)
    ordered = dict(sorted(index.commands.items()))
    return replace(index, commands=ordered, problems=tuple(dict.fromkeys(problems)))


def _enter(index: Index, entry: Entry) -> None:
    for command in entry.commands:
        if (other := index.commands.get(command.name)) is not None:
            whose = "that is built in" if other.builtin else f"of {other.file}"
            index.broken[entry.file] = (
                f"{entry.file}:{command.line}: {command.name} is already a command {whose};"
                " give it another name"
            )
            return
    for command in entry.commands:
        index.commands[command.name] = replace(command, settings=entry.checked.settings)


def _enter_words(index: Index) -> None:
    """Names first, then aliases in the order of the folders: no alias ever hides a command."""
    index.words.update(index.commands)
    for command in index.commands.values():
        for alias in command.aliases:
            other = index.words.setdefault(alias, command)
            if other is not command:
                note = f"alias {alias} of {command.name} is {other.name} already"
                former = index.notes.get(command.file)
                index.notes[command.file] = f"{former}; {note}" if former else note
