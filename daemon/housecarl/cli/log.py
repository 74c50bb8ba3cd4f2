"""`log`: what the house did."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

if TYPE_CHECKING:
    import sqlite3

    from housecarl.config_file import Loaded
    from housecarl.journal.receipts import Receipt

#: Seconds between two looks with --follow, how far back each looks (a slow command is told when it
#: has ended, with the time at which it was asked), and how many it shows at the most.
FOLLOW_SECONDS = 1.0
FOLLOW_WINDOW = 3600.0
FOLLOW_MOST = 1000

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@click.command("log")
@click.option(
    "-n",
    "limit",
    type=click.IntRange(1, 100_000),
    metavar="N",
    default=20,
    help="How many; 20 unless told.",
)
@click.option("--person", metavar="NAME", help="Only what this person asked.")
@click.option("--failed", is_flag=True, help="Only what failed, took too long or was interrupted.")
@click.option("--since", metavar="AGE", help="Only what is younger: 30m, 12h, 2d, 1w.")
@click.option("--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def verb(
    ctx: click.Context,
    limit: int,
    person: str | None,
    failed: bool,
    since: str | None,
    follow: bool,
    as_json: bool,
) -> None:
    """Show what the house did, oldest first."""
    from housecarl.cli import configuration, journal

    loaded = configuration.load(ctx.obj)
    if person is not None:
        _refuse_unknown(person, loaded)
    start = time.time() - _seconds(since) if since else None

    def look(since: float | None, limit: int) -> dict[str, str]:
        def lines(conn: sqlite3.Connection) -> dict[str, str]:
            return dict(_lines(conn, loaded, as_json, since, limit, person, failed))

        return journal.read(loaded, lines)

    shown = look(start, limit)
    with suppress(KeyboardInterrupt) if follow else nullcontext():
        for line in shown.values():
            click.echo(line)
        if not follow:
            return
        shown |= look(time.time() - FOLLOW_WINDOW, FOLLOW_MOST)
        while True:
            time.sleep(FOLLOW_SECONDS)
            found = look(time.time() - FOLLOW_WINDOW, FOLLOW_MOST)
            for line in (found[key] for key in found if key not in shown):
                click.echo(line)
            shown = found


def _refuse_unknown(person: str, loaded: Loaded) -> None:
    """A name of nobody, now or in former entries: a slip. Raises UsageError."""
    from housecarl.cli import configuration, journal
    from housecarl.journal import receipts

    if person in loaded.config.people:
        return
    if not journal.read(loaded, lambda conn: receipts.listing(conn, limit=1, person=person)):
        raise click.UsageError(f"--person: {configuration.stranger(person, loaded)}")


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d{1,6})([smhdw])", text)
    if match is None:
        raise click.UsageError(f"--since: {text} is no time span such as 30m, 12h, 2d")
    return int(match[1]) * _UNITS[match[2]]


def _lines(
    conn: sqlite3.Connection,
    loaded: Loaded,
    as_json: bool,
    since: float | None,
    limit: int,
    person: str | None,
    failed: bool,
) -> Iterator[tuple[str, str]]:
    """What tells them apart (a message, and how far it is), and the lines, oldest first."""
    from housecarl.journal import receipts

    zone = ZoneInfo(loaded.config.timezone)
    found = receipts.listing(conn, limit=limit, person=person, since=since, failed=failed)
    for receipt in reversed(found):
        entry = _entry(conn, receipt)
        line = json.dumps(entry) if as_json else _line(entry, receipt, zone)
        yield f"{receipt.id} {receipt.state}", line


def _entry(conn: sqlite3.Connection, receipt: Receipt) -> dict[str, Any]:
    from housecarl.journal import receipts, replies, runs

    return {
        "id": receipts.shorten(conn, receipt.id),
        "at": datetime.fromtimestamp(receipt.arrived, UTC).isoformat(),
        "door": receipt.door,
        "kind": receipt.kind,
        "person": receipt.person,
        "proof": receipt.proof,
        "state": receipt.state,
        "reason": receipt.reason,
        "calls": [list(call) for call in receipt.calls],
        "outcomes": [run.outcome for run in runs.of(conn, receipt.id)],
        "replies": [
            {"text": row["text"], "state": row["state"], "error": row["error"]}
            for row in replies.of(conn, receipt.id)
        ],
    }


def _line(entry: dict[str, Any], receipt: Receipt, zone: ZoneInfo) -> str:
    at = datetime.fromtimestamp(receipt.arrived, UTC).astimezone(zone)
    asked = " + ".join(" ".join(call) for call in entry["calls"]) or entry["kind"]
    outcome = ",".join(o or "?" for o in entry["outcomes"]) or entry["reason"] or entry["state"]
    answers = " / ".join(reply["text"].partition("\n")[0] for reply in entry["replies"])
    who = entry["person"] or ("not known yet" if entry["state"] == "waiting" else "stranger")
    words = (f"{at:%Y-%m-%d %H:%M:%S} {entry['id']} {who}:", asked, f"[{outcome}]", answers)
    return " ".join(word for word in words if word).rstrip()
