"""What of the configuration only the modules can judge: their sections, and names of commands."""

from __future__ import annotations

from housecarl import aliases
from housecarl.config_file import Loaded
from housecarl.config_words import near
from housecarl.errors import ConfigError, Problem
from housecarl.registry import Registry


def faults(loaded: Loaded, registry: Registry) -> list[Problem]:
    """Names of commands that none is, then what is wrong in the sections of the modules."""
    problems = _unknown_commands(loaded, registry)
    try:
        registry.check_settings()
    except ConfigError as error:
        problems += error.problems
    return problems


def _unknown_commands(loaded: Loaded, registry: Registry) -> list[Problem]:
    """Names of commands in the configuration that no module has: a typo gives nobody a right."""
    config = loaded.config
    named: list[tuple[tuple[str | int, ...], str]] = [
        (("people", person, "may", n), name)
        for person, settings in config.people.items()
        for n, name in enumerate(settings.may)
        if name != "*"
    ]
    named += [(("commands", name), name) for name in config.commands]
    problems = [
        loaded.source.problem(loc, why)
        for loc, name in named
        if name not in registry.commands and (why := _unknown(name, loaded, registry))
    ]
    return problems + _wrong_aliases(loaded, registry)


def _wrong_aliases(loaded: Loaded, registry: Registry) -> list[Problem]:
    """Aliases that can never be texted, or stand for no command."""
    config, problem = loaded.config, loaded.source.problem
    wrong = aliases.faults(config.aliases, config.language)
    problems = [problem(("aliases", name), text) for name, text in wrong.items()]
    for alias in config.aliases.keys() - wrong.keys():
        if registry.find(alias) is not None:
            text = "is a command already, which goes first; choose another word"
            problems.append(problem(("aliases", alias), text, key=True))
        for n, name in enumerate(aliases.names(config.aliases[alias], config.language)):
            if registry.find(name) is None and (text := _missing(name, registry)):
                problems.append(problem(("aliases", alias, n), text))
    return problems


def _unknown(name: str, loaded: Loaded, registry: Registry) -> str:
    """Why a name that stands where only a command's own name counts is none."""
    if name in loaded.config.aliases:
        return f"'{name}' is an alias; name the commands that it stands for"
    if (command := registry.find(name)) is not None:
        return f"'{name}' is {command.name} in short; write that"
    return _missing(name, registry)


def _missing(name: str, registry: Registry) -> str:
    """That there is no such command; "" while a folder is lost, in which it may be."""
    return "" if registry.lost else f"no command '{name}'{near(name, registry.commands)}"
