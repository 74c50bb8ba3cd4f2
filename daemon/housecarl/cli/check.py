"""`check`: the configuration, offline."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click


@click.command("check")
@click.option(
    "--print",
    "show",
    is_flag=True,
    help="Print it with every default but those of modules; no secrets.",
)
@click.option("--schema", is_flag=True, help="Print its JSON schema, for an editor.")
@click.pass_context
def verb(ctx: click.Context, show: bool, schema: bool) -> None:
    """Check the configuration, offline: every fault at once, with its place and what to do."""
    from housecarl import config_file, config_show
    from housecarl.doctor import Patient, config, files, lend_credentials, secrets, sections
    from housecarl.errors import ConfigError, ModuleError, Problem
    from housecarl.logs import set_up
    from housecarl.rehearsal import make_judge

    if schema:
        click.echo(json.dumps(config_show.schema(), indent=2))
        return
    given: Path | None = ctx.obj
    path = config_file.find(given)
    loaded = config_file.load(path)
    set_up("error")  # a module that is off is told below, and not twice
    registry = asyncio.run(make_judge(loaded)).registry
    lend_credentials()
    patient = Patient(loaded, registry, running=False)
    found = [] if show else [*files.faults(patient), *secrets.faults(patient)]
    problems = sections.faults(loaded, registry)
    problems += [problem for problem, unseen in found if not unseen]
    if not show and (unread := config.unread(patient)):
        problems.append(Problem(str(path), 0, 0, f"{unread.text}; run: {unread.mend}"))
    told = {str(problem).partition("\n")[0] for problem in problems}
    broken = [fault for fault in registry.broken.values() if fault not in told]
    if problems:
        for fault in broken:
            click.echo(fault, err=True)
        raise ConfigError(*sorted(problems, key=lambda problem: (problem.line, problem.column)))
    if broken:
        raise ModuleError("\n".join(broken))
    if show:
        click.echo(config_show.dump(loaded.config), nl=False)
        return
    notes = [problem for problem, unseen in found if unseen]
    for note in notes:
        click.echo(click.style(f"note: {note}", fg="yellow"), err=True)
    click.echo(f"{path}: well{_but(len(notes))}.")


def _but(unseen: int) -> str:
    """What the last line leaves open."""
    if not unseen:
        return ""
    return f", but for {unseen} thing{'s' * (unseen > 1)} that only the daemon can see"
