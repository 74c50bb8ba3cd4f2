"""`init`: from questions to a configuration that works."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from housecarl.cli.interview import Found
    from housecarl.cli.questions import Asker
    from housecarl.cli.site import Site


@click.command("init")
@click.option(
    "--answers",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Ask nothing: take the answers from a YAML file, - for the input.",
)
@click.option("--no-doctor", is_flag=True, help="Do not try at the end whether it all works.")
@click.pass_context
def verb(ctx: click.Context, answers: Path | None, no_doctor: bool) -> None:
    """Ask what must be known, and write the configuration, the secrets and the spool.

    Each question comes with a guess; Enter takes it. Secrets are not shown, and go into files of
    their own (mode 600). Nothing is written before everything is answered, and a configuration
    that is there already is kept unless you say otherwise.
    """
    from housecarl.cli import guess, interview
    from housecarl.cli.site import Site

    site = Site.of(ctx.obj)
    site.refuse_closed()
    asker = _asker(answers)
    _spare(site, by_hand=answers is None)
    found = interview.hold(asker, guess.look(), site.spool, site.has)
    text = found.draft.text()
    _refuse_wrong(text, site)
    served = _is_served(site.config)
    _write(text, found, site)
    well = True if no_doctor else _examine(ctx, site.config)
    _say_next(site.config, well=well, served=served)


def _is_served(config: Path) -> bool:
    """Whether a daemon runs, by the configuration that is there."""
    from housecarl import config_file, service

    return config.exists() and service.is_running(config_file.likely_spool(config))


def _say_next(config: Path, *, well: bool, served: bool) -> None:
    """The one next command; to start what runs already would change nothing."""
    from housecarl import service

    how = service.start(config, enable=True)
    if served:
        how = f"the daemon that runs takes it up by {service.reload(config)}"
    elif not well:
        how = f"start it: {how}"
    click.echo(f"\nNext: {how}" if well else f"\nWhen what FAILs is mended, {how}")
    if not well:
        click.echo(f"Next: {service.called(config, 'doctor')}")


def _asker(answers: Path | None) -> Asker:
    from housecarl.cli.questions import Terminal, answers_of

    if answers is not None:
        return answers_of(answers)
    if not sys.stdin.isatty():
        raise click.UsageError("init asks questions: run it on a terminal, or give --answers FILE")
    return Terminal()


def _spare(site: Site, *, by_hand: bool) -> None:
    """A configuration that is there is written over only by whoever says so on a terminal."""
    from housecarl.errors import HousecarlError

    if not site.config.exists():
        return
    question = f"{site.config} is there. Write a new one? (this one stays as {site.old.name})"
    if not by_hand or not click.confirm(question, default=False, err=True):
        raise HousecarlError(f"{site.config} is there already; nothing was changed")


def _refuse_wrong(text: str, site: Site) -> None:
    """What `check` would refuse is never written; no module is named in it. Raises ConfigError."""
    from housecarl import config_file
    from housecarl.errors import ConfigError

    with tempfile.TemporaryDirectory(prefix="housecarl-") as folder:
        path = Path(folder, site.config.name)
        path.write_text(text, "utf-8")
        problems = config_file.check(path)
    if problems:
        raise ConfigError(*(problem._replace(file=str(site.config)) for problem in problems))


def _write(text: str, found: Found, site: Site) -> None:
    for name, value in found.secrets.items():
        path = site.write_secret(name, value)
        click.echo(f"{'Wrote' if value else 'Kept'} {path}, for the daemon's eyes only.")
    click.echo(f"Made {site.make_spool()}, where messages live.")
    site.write_config(text)
    click.echo(f"Wrote {site.config}.")


def _examine(ctx: click.Context, config: Path) -> bool:
    """Run `doctor` on what was written; whether all is well. Ctrl-C ends no more than this."""
    from housecarl.cli.doctor import verb as doctor
    from housecarl.errors import HousecarlError

    click.echo()
    try:
        return not doctor.main([], "doctor", standalone_mode=False, parent=ctx.parent, obj=config)
    except HousecarlError as error:
        click.echo(str(error), err=True)
    except click.Abort:
        pass
    return False
