"""`check`: the configuration, offline."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from housecarl.config_file import Loaded
    from housecarl.doctor.finding import Finding
    from housecarl.errors import Problem
    from housecarl.registry import Registry
    from housecarl.secret import Secret


@click.command("check")
@click.option("--print", "show", is_flag=True, help="Print it with every default; no secrets.")
@click.option("--schema", is_flag=True, help="Print its JSON schema, for an editor.")
@click.pass_context
def verb(ctx: click.Context, show: bool, schema: bool) -> None:
    """Check the configuration, offline: every fault at once, with its place and what to do."""
    from housecarl import config_file, config_show
    from housecarl.errors import ConfigError, ModuleError
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
    secrets = [] if show else list(_secrets(loaded, registry))
    problems = [*_module_problems(loaded, registry), *_file_problems(loaded)]
    problems += [problem for problem, unseen in secrets if not unseen]
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
    notes = [problem for problem, unseen in secrets if unseen]
    for note in notes:
        click.echo(click.style(f"note: {note}", fg="yellow"), err=True)
    click.echo(f"{path}: well{_but(len(notes))}.")


def _but(unseen: int) -> str:
    """What the last line leaves open."""
    if not unseen:
        return ""
    return f", but for {unseen} secret{'s' * (unseen > 1)} that only the daemon can see"


def _module_problems(loaded: Loaded, registry: Registry) -> list[Problem]:
    """What only the modules can tell: their folders and sections, and commands that none has."""
    from housecarl.errors import ConfigError
    from housecarl.rehearsal import unknown_commands

    problems = [
        loaded.source.problem(("modules", "folders", n), f"{folder} is no folder")
        for n, folder in enumerate(loaded.config.modules.folders)
        if not folder.is_dir()
    ]
    problems += unknown_commands(loaded, registry)
    try:
        registry.check_settings()
    except ConfigError as error:
        problems += error.problems
    return problems


def _file_problems(loaded: Loaded) -> Iterator[Problem]:
    """Files that are no secret and must be there all the same."""
    smtp, imap, post = loaded.config.doors.smtp, loaded.config.doors.imap, loaded.config.post
    files = {
        ("doors", "smtp", "certificate", "cert"): smtp
        and smtp.certificate
        and smtp.certificate.cert,
        ("doors", "imap", "ca"): imap and imap.ca,
        ("post", "ca"): post and post.ca,
    }
    for loc, file in files.items():
        try:
            if file:
                file.stat()
        except (FileNotFoundError, NotADirectoryError):
            yield loaded.source.problem(loc, f"{file} does not exist")
        except OSError:
            pass  # a folder that we may not look into


def _secrets(loaded: Loaded, registry: Registry) -> Iterator[tuple[Problem, bool]]:
    """What is wrong with the secrets, and whether it may be so only because we are not the daemon.

    Its environment, its credentials and the files of its user are not ours to look at.
    """
    from housecarl.doctor import secrets
    from housecarl.doctor.patient import Patient

    secrets.lend_credentials()
    patient = Patient(loaded, registry, running=False)
    uid = patient.uid()
    ours = os.geteuid() in (0, uid)
    for loc, secret in secrets.named(patient):
        for finding in secrets.look(loc, secret, uid):
            unseen = secrets.is_elsewhere(secret) or secret.env is not None
            unseen |= not ours and _is_hidden(secret)
            yield loaded.source.problem(loc, _words(finding)), unseen


def _is_hidden(secret: Secret) -> bool:
    """Whether its file is another user's, or in a folder that we cannot look into."""
    try:
        return bool(secret.file and secret.file.stat() and not os.access(secret.file, os.R_OK))
    except PermissionError:
        return True
    except OSError:
        return False


def _words(finding: Finding) -> str:
    """What is wrong and what to do, in one line and without the place, which comes before it."""
    _, _, text = finding.text.partition(": ")
    fault = text.split("; ")[0]
    return (
        f"{fault}; run: {finding.mend}" if finding.mend[0].islower() else f"{fault}. {finding.mend}"
    )
