"""`queue`: replies that wait or were refused."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

if TYPE_CHECKING:
    import sqlite3


#: The largest number that a journal can give.
LARGEST = 2**63 - 1


@click.group("queue")
def verb() -> None:
    """Replies on their way out: list them, try one again, give one up."""


@verb.command("list")
@click.pass_context
def list_(ctx: click.Context) -> None:
    """Show what waits or was refused, oldest first."""
    from housecarl.cli import configuration, journal
    from housecarl.journal import replies
    from housecarl.post import outage

    loaded = configuration.load(ctx.obj)
    zone = ZoneInfo(loaded.config.timezone)
    rows, pause = journal.read(loaded, lambda conn: (replies.queue(conn), outage.ends(conn)))
    for row in rows:
        click.echo(_line(row, zone, pause))
    if not rows:
        click.echo("Nothing waits.")


def _line(row: sqlite3.Row, zone: ZoneInfo, pause: float) -> str:
    """A reply; while the smarthost is away none is tried before its `pause` ends."""
    made = datetime.fromtimestamp(row["created"], UTC).astimezone(zone)
    state = row["state"]
    if state == "waiting":
        again = datetime.fromtimestamp(max(row["next_try"], pause), UTC).astimezone(zone)
        state = f"waiting, try {row['tries'] + 1} at {again:%H:%M:%S}"
    why = f": {row['error']}" if row["error"] else ""
    text = row["text"].partition("\n")[0]
    return f"{row['id']} {made:%Y-%m-%d %H:%M} to {row['person']} [{state}{why}] {text}"


@verb.command("retry")
@click.argument("number", type=click.IntRange(1, LARGEST), metavar="NUMBER")
@click.pass_context
def retry(ctx: click.Context, number: int) -> None:
    """Try reply NUMBER again now, also one that was refused."""
    from housecarl import service
    from housecarl.cli import configuration, journal
    from housecarl.errors import HousecarlError
    from housecarl.journal import replies

    loaded = configuration.load(ctx.obj)
    if not journal.write(loaded, lambda conn: replies.retry(conn, number, time.time())):
        text = f"no reply {number} that can be sent waits or was refused"
        raise HousecarlError(f"{text}; see `housecarl queue list`")
    when = "now" if service.is_running(loaded.config.spool) else "once the daemon runs"
    click.echo(f"Reply {number} is tried again {when}.")


@verb.command("drop")
@click.argument("number", type=click.IntRange(1, LARGEST), metavar="NUMBER")
@click.pass_context
def drop(ctx: click.Context, number: int) -> None:
    """Give reply NUMBER up; its text stays in the log."""
    from housecarl.cli import configuration, journal
    from housecarl.errors import HousecarlError
    from housecarl.journal import replies

    loaded = configuration.load(ctx.obj)
    if not journal.write(loaded, lambda conn: replies.drop(conn, number, time.time())):
        raise HousecarlError(f"no reply {number} waits or was refused; see `housecarl queue list`")
    click.echo(f"Reply {number} is given up.")
