"""What of the configuration only the modules can judge: their sections, and names of commands."""

from __future__ import annotations

from collections.abc import Iterable

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
    known = {*registry.commands, *config.aliases}
    problems = [
        loaded.source.problem(loc, _unknown(name, known))
        for loc, name in named
        if name not in known
    ]
    wrong = aliases.faults(config.aliases, config.language)
    problems += [loaded.source.problem(("aliases", name), text) for name, text in wrong.items()]
    for alias in config.aliases.keys() - wrong.keys():
        for n, name in enumerate(aliases.names(config.aliases[alias], config.language)):
            if registry.find(name) is None:
                text = _unknown(name, registry.commands)
                problems.append(loaded.source.problem(("aliases", alias, n), text))
    return problems


def _unknown(name: str, known: Iterable[str]) -> str:
    return f"no command '{name}'{near(name, known)}"
