"""`check`: the configuration, offline."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from housecarl.config_file import Loaded
    from housecarl.errors import Problem


@click.command("check")
@click.option("--print", "show", is_flag=True, help="Print it with every default; no secrets.")
@click.option("--schema", is_flag=True, help="Print its JSON schema, for an editor.")
@click.pass_context
def verb(ctx: click.Context, show: bool, schema: bool) -> None:
    """Check the configuration, offline: every fault at once, with its place and what to do."""
    from housecarl import config_file, config_show
    from housecarl.errors import ConfigError

    if schema:
        click.echo(json.dumps(config_show.schema(), indent=2))
        return
    given: Path | None = ctx.obj
    path = config_file.find(given)
    problems = config_file.check(path)
    if problems:
        raise ConfigError(*problems)
    loaded = config_file.load(path)
    problems = asyncio.run(_module_problems(loaded))
    if problems:
        raise ConfigError(*problems)
    if show:
        click.echo(config_show.dump(loaded.config), nl=False)
    else:
        click.echo(f"{path}: well.")


async def _module_problems(loaded: Loaded) -> list[Problem]:
    """What only the modules can tell: their sections, and commands named that do not exist."""
    from housecarl.errors import ConfigError
    from housecarl.rehearsal import make_judge, unknown_commands

    judge = await make_judge(loaded)
    problems = unknown_commands(loaded, judge.registry)
    try:
        judge.registry.check_settings()
    except ConfigError as error:
        problems += error.problems
    return sorted(problems, key=lambda problem: (problem.line, problem.column))
