"""`status`: how the house is."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import click

if TYPE_CHECKING:
    from housecarl.health import Health, Part

#: Seconds a disk has for one byte.
DISK_SECONDS = 5.0


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def verb(ctx: click.Context, as_json: bool) -> None:
    """How the house is; exit code 0 when all is well, 1 in trouble."""
    from housecarl.health import Part

    known = _known(ctx.obj)
    daemon, disk, found = _daemon(known), _disk(known.spool), _examined(known)
    told = (found,) if isinstance(found, Part) else found.parts
    wrong = [part.name for part in known.wrong]
    parts = [daemon, *disk, *known.wrong, *(p for p in told if p.name not in wrong)]
    well = all(part.ok for part in parts)
    counts = None if isinstance(found, Part) else found
    if as_json:
        shown = {
            "house": known.house,
            "well": well,
            "parts": [{"name": p.name, "ok": p.ok, "text": p.text} for p in parts],
            "last_24_h": counts and dict(counts.today),
            "text_parts_this_month": counts and dict(counts.texts),
        }
        click.echo(json.dumps(shown, indent=2))
    else:
        click.echo(f"{known.house}: {'well' if well else 'trouble'}")
        for part in parts:
            mark = click.style("ok  ", fg="green") if part.ok else click.style("FAIL", fg="red")
            click.echo(f"  {mark} {part.name}: {part.text}")
        if counts is not None:
            _count(counts)
    ctx.exit(0 if well else 1)


def _count(found: Health) -> None:
    """The lines of what was done."""
    counts = ", ".join(f"{n} {state}" for state, n in sorted(found.today.items()))
    click.echo(f"  last 24 h: {counts or 'no message'}")
    texts = ", ".join(f"{name} {number}" for name, number in found.texts.items())
    click.echo(f"  text parts this month: {texts or 'none'}")


class _Known(NamedTuple):
    """What the configuration says, or can be known when it is broken."""

    file: Path
    house: str
    spool: Path
    people: tuple[str, ...]
    zone: ZoneInfo
    wrong: tuple[Part, ...] = ()


def _known(given: Path | None) -> _Known:
    """Beside a running house a broken file is a trouble of it; else ConfigError is raised."""
    from housecarl import config_file
    from housecarl.cli import configuration
    from housecarl.errors import ConfigError
    from housecarl.health import Part

    file = config_file.find(given)
    try:
        config = config_file.load(file).config
    except ConfigError as error:
        spool, text = configuration.former(file, error)
        return _Known(file, file.name, spool, (), ZoneInfo("UTC"), (Part("config", False, text),))
    wrong = []
    if not (config.people and any(door is not None for _, door in config.doors)):
        # such as a file that an editor emptied on a full disk
        text = f"{file} names nobody, or no door: by it nothing is obeyed (`housecarl doctor`)"
        wrong.append(Part("config", False, text))
    people, zone = tuple(config.people), ZoneInfo(config.timezone)
    return _Known(file, config.house, config.spool, people, zone, tuple(wrong))


def _examined(known: _Known) -> Health | Part:
    """What the journal says of the house, or why it cannot be read."""
    from housecarl import health
    from housecarl.cli import journal
    from housecarl.errors import StorageError

    try:
        return journal.read_at(
            known.spool,
            lambda conn: health.examine(conn, time.time(), known.people, known.zone),
            known.file,
        )
    except StorageError as error:
        return health.Part("journal", False, str(error))


def _daemon(known: _Known) -> Part:
    """Whether a daemon runs, and what keeps it from serving."""
    from housecarl import service
    from housecarl.health import Part
    from housecarl.journal import JOURNAL
    from housecarl.lock import held

    trouble = held(known.spool / JOURNAL.parent)
    if trouble is None:
        text = f"not running on {known.spool}: `{service.start(known.file)}`"
        return Part("daemon", False, str(service.astray(known.file, known.spool) or text))
    return Part("daemon", not trouble, f"no message is taken: {trouble}" if trouble else "running")


def _disk(spool: Path) -> list[Part]:
    """What a daemon cannot write down: that its disk takes nothing."""
    from housecarl.disk import is_there, try_way
    from housecarl.errors import SpoolFull
    from housecarl.health import Part
    from housecarl.journal import JOURNAL
    from housecarl.room import see_room
    from housecarl.spool import RESERVE_BYTES, State

    trouble = [f"{spool}: the disk took nothing in {DISK_SECONDS:g} s"]

    def look() -> None:
        folders = spool, spool / "tmp", spool / State.NEW
        try:
            see_room(spool, RESERVE_BYTES)
            # as `init` made it: the first start makes what is in it
            if is_there(spool / JOURNAL):
                try_way(*folders[1:])
            trouble.clear()
        except SpoolFull as error:
            trouble[:] = [str(error)]
        except FileNotFoundError as error:
            gone = next((each for each in folders if not each.is_dir()), spool)
            trouble[:] = [f"{gone}: {error.strerror}"]
        except OSError as error:
            trouble[:] = [f"{spool}: {error.strerror}"]

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    looking.join(DISK_SECONDS)
    return [Part("disk", False, f"no message is taken: {text}") for text in trouble]
