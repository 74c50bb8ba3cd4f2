"""`send`: drop a command into the spool as a person; for cron and scripts."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import sqlite3

    from housecarl.config_file import Loaded

#: Seconds --wait waits for the reply: longer than any command's own time limit by default.
WAIT_SECONDS = 60.0

#: Seconds between two looks into the journal with --wait.
LOOK_SECONDS = 0.05


@click.command("send")
@click.argument("text")
@click.option("--as", "person", metavar="PERSON", required=True, help="The person it is sent as.")
@click.option("--wait", is_flag=True, help="Wait for the reply and print it.")
@click.pass_context
def verb(ctx: click.Context, text: str, person: str, wait: bool) -> None:
    """Drop TEXT into the spool as a person, for cron and scripts.

    root and the daemon's own user may name anybody, others only a person that lists their login
    under `unix`. With --wait the exit code is 1 when a command did not go well.
    """
    from housecarl import service
    from housecarl.cli import configuration, journal
    from housecarl.disk import is_there
    from housecarl.errors import ConfigError, NotAllowed, StorageError
    from housecarl.journal import receipts

    loaded = configuration.load(ctx.obj)
    config = loaded.config
    if not text.strip():
        typed = config.facts.typed("uptime")
        raise click.UsageError(f"TEXT is empty; for example: housecarl send '{typed}' --as ann")
    if person not in config.people:
        raise click.UsageError(f"--as: {configuration.stranger(person, loaded)}")
    if config.doors.drop is None:
        text = "takes no files, so nothing sent would be read; add `drop: {}`"
        raise ConfigError(loaded.source.problem(("doors",), text))
    if not is_there(config.spool):
        text = f"{config.spool} is not there yet: `{service.start(loaded.source.path)}` makes it"
        raise StorageError(text)
    if not may_send_as(config.people[person].unix, config.spool):
        raise NotAllowed(f"this login may not send as {person}; see `people.{person}.unix`")
    if wait:
        journal.may_read(config.spool)  # or it would be carried out, and called not allowed
    unserved = _is_unserved(config.spool)
    if unserved and (why := service.astray(loaded.source.path, config.spool)):
        raise StorageError(f"nothing was sent: {why}")
    key = drop(config.spool, f"As: {person}\n{text}\n")
    if unserved:
        start = service.start(loaded.source.path)
        click.echo(f"It waits in the spool: no daemon runs. `{start}`", err=True)
    if wait:
        click.echo(reply_to(loaded, key))
        ctx.exit(0 if journal.read(loaded, lambda conn: receipts.ended_well(conn, key)) else 1)


def _is_unserved(spool: Path) -> bool:
    """Whether surely no daemon runs: who may not look does not know."""
    from housecarl import service
    from housecarl.journal import JOURNAL

    folder = spool / JOURNAL.parent
    hidden = os.path.lexists(folder) and not os.access(folder, os.X_OK)
    return not hidden and not service.is_running(spool)


def may_send_as(logins: list[str], spool: Path) -> bool:
    """Whether the daemon will believe us: it looks at the owner of the file, as we do here."""
    from housecarl.doctor.access import user

    uid = os.getuid()
    if uid in (0, spool.stat().st_uid):
        return True
    return user(uid) in logins


def drop(spool: Path, text: str) -> str:
    """Put a file into the spool's root, where it appears whole; the key the daemon gives it."""
    name = f"send-{os.getpid()}-{secrets.token_hex(4)}"
    part = spool / f"{name}.part"
    fd = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640)
    try:
        with os.fdopen(fd, "wb") as file:
            with suppress(OSError):  # whose group it is not, or unknown here: a folder may give it
                os.fchown(fd, -1, spool.stat().st_gid)
            os.fchmod(fd, 0o640)  # whatever the umask: the daemon reads it by the folder's group
            file.write(text.encode("utf-8", "surrogateescape"))  # as the terminal sent it
            file.flush()
            os.fsync(file.fileno())
            about = os.fstat(file.fileno())
        part.rename(spool / name)
    except BaseException:
        part.unlink()  # a full disk keeps an empty file, and nobody takes it away
        raise
    return f"drop:{about.st_dev}:{about.st_ino}:{about.st_mtime_ns}:{about.st_size}:{name}"


def reply_to(loaded: Loaded, key: str) -> str:
    """The reply to the file that was dropped, once the journal has it; raises Unreachable.

    What was refused without a reply is a HousecarlError with the reason.
    """
    from housecarl.cli import journal
    from housecarl.errors import (
        HousecarlError,
        JournalDamaged,
        JournalNewer,
        StorageError,
        Unreachable,
    )
    from housecarl.journal import replies

    running = hint = "is the daemon running? `housecarl status`"
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            text, hint = journal.read(loaded, lambda conn: replies.answer_to(conn, key)), running
        except (JournalNewer, JournalDamaged):
            raise
        except StorageError as error:  # a daemon that starts has none yet, or an older one
            text, hint = None, str(error)
            if journal.may_read(loaded.config.spool):
                hint = f"it may have been done all the same: {hint}"
        if text == "" and (reason := journal.read(loaded, lambda conn: _refusal(conn, key))):
            raise HousecarlError(f"refused: {reason}")
        if text is not None:
            return text
        time.sleep(LOOK_SECONDS)
    raise Unreachable(f"no reply in {WAIT_SECONDS:g} s; {hint}")


def _refusal(conn: sqlite3.Connection, key: str) -> str | None:
    """Why the message with this key was refused, None when it was not."""
    from housecarl.journal import receipts

    receipt = receipts.find(conn, receipts.find_same(conn, [key], "") or key)
    return None if receipt is None or receipt.state != "refused" else receipt.reason
