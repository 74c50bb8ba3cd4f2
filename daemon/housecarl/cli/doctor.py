"""`doctor`: everything tried for real."""

from __future__ import annotations

import asyncio
import difflib
import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from housecarl.config_file import Loaded
    from housecarl.doctor import Finding

#: How a state is shown, and in which colour.
MARKS = {"ok": ("ok  ", "green"), "FAIL": ("FAIL", "red"), "skip": ("skip", "yellow")}

#: Columns of the longest part's name.
WIDTH = 10


@click.command("doctor")
@click.option("--only", metavar="PART,...", help="Just these parts, such as imap,smtp.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def verb(ctx: click.Context, only: str | None, as_json: bool) -> None:
    """Try everything for real; under each FAIL stands how to mend it.

    No mail is sent, nothing is switched, and nothing of the house is changed. Exit code 0 when all
    is well, 1 in trouble. Run it as root or as the daemon's user: others may not see enough.
    """
    from housecarl.cli import configuration
    from housecarl.doctor import lend_credentials
    from housecarl.errors import ConfigError
    from housecarl.logs import set_up

    set_up("critical")
    parts = _parts(only)
    lend_credentials()
    try:
        loaded = configuration.load(ctx.obj)
    except ConfigError as error:
        if as_json:
            raise
        click.echo(f"{_mark('FAIL')} {'config':{WIDTH}} cannot be used; mend what follows:")
        click.echo("\n".join(f"     {line}" for line in str(error).splitlines()))
        ctx.exit(78)
    found = asyncio.run(_found(loaded, parts, show=not as_json))
    is_well = all(each.state != "FAIL" for each in found)
    if as_json:
        checks = [
            {"part": f.part, "state": f.state.lower(), "text": f.text, "mend": f.mend}
            for f in found
        ]
        told = {"house": loaded.config.house, "well": is_well, "checks": checks}
        click.echo(json.dumps(told, indent=2))
    ctx.exit(0 if is_well else 1)


def _parts(only: str | None) -> list[str]:
    """The parts that are asked for. Raises UsageError."""
    from housecarl.doctor import CHECKS

    if only is None:
        return list(CHECKS)
    parts = [part.strip() for part in only.split(",") if part.strip()]
    for part in parts:
        if part not in CHECKS:
            near = difflib.get_close_matches(part, CHECKS, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"--only: no part {part}.{hint} Parts: {', '.join(CHECKS)}")
    if not parts:
        raise click.UsageError(f"--only names no part. Parts: {', '.join(CHECKS)}")
    return parts


async def _found(loaded: Loaded, parts: list[str], *, show: bool) -> list[Finding]:
    """Examine, and show each finding as soon as it is known."""
    from housecarl.doctor import admit, visit

    found = []
    async for finding in visit(await admit(loaded), parts):
        found.append(finding)
        if show:
            click.echo(f"{_mark(finding.state)} {finding.part:{WIDTH}} {finding.text}")
            if finding.mend:
                click.echo(f"     {'':{WIDTH}} {finding.mend}")
    return found


def _mark(state: str) -> str:
    word, colour = MARKS[state]
    return click.style(word, fg=colour)
