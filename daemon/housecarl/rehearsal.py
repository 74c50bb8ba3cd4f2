"""A judge without a house: for verbs that look at a message and run nothing of the daemon."""

from __future__ import annotations

from collections.abc import Iterable

from housecarl import aliases, builtin
from housecarl.clock import SystemClock
from housecarl.config_file import Loaded
from housecarl.config_words import near
from housecarl.errors import Problem
from housecarl.house import JOURNAL
from housecarl.journal import Database
from housecarl.judge import Judge
from housecarl.process import try_file
from housecarl.registry import Registry
from housecarl.shipped import shipped
from housecarl.trust import Resolver, Trust


async def make_judge(loaded: Loaded, resolver: Resolver | None = None) -> Judge:
    """A judge of the configuration, with every module loaded; the journal is not opened."""
    config = loaded.config
    registry = Registry(
        shipped("modules"),
        config.modules.folders,
        config.modules.settings,
        locate=loaded.source.problem,
        context=loaded.source.context,
        trial=try_file,
    )
    judge = Judge(config, Trust.of(config, resolver), registry, off=lambda _: False)
    unopened = Database(config.spool / JOURNAL)
    registry.add_builtin(*builtin.commands(unopened, judge, config, SystemClock(), lambda: None))
    await registry.load_installed()
    await registry.reload()
    return judge


def unknown_commands(loaded: Loaded, registry: Registry) -> list[Problem]:
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
