"""A flash asked of the running daemon by files in its spool, and watched in its journal."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from housecarl import service
from housecarl.cli import configuration, journal, send
from housecarl.cli.verb_store import VerbStore
from housecarl.doctor.access import user
from housecarl.errors import ConfigError, HousecarlError, NotAllowed, Unreachable
from housecarl.journal import codes, receipts
from housecarl.plugs import flash_log, flash_progress
from housecarl.rights import may_use
from housecarl.syntax import write

if TYPE_CHECKING:
    from housecarl.config_file import Loaded
    from housecarl.journal.codes import Code

#: Seconds a flash may take: the checks, the download up to 330, then twice what a plug may announce
#: (600 to write and 600 to reboot) and a minute.
LONGEST = 3000.0

#: What to do when nobody tells the end.
TELLS = "`housecarl firmware check` tells"

#: Seconds between two looks into the journal.
LOOK_SECONDS = 0.2


class Asked(NamedTuple):
    """The daemon's reply to a message, and the id of that message."""

    reply: str
    id: str


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks the daemon: what they drop is read as theirs, and answered in the journal."""

    loaded: Loaded
    person: str

    def ask(self, *words: str) -> Asked:
        """What the daemon makes of a command. Raises Unreachable when it does not reply."""
        config = self.loaded.config
        line = write(words, config.language)
        key = send.drop(config.spool, f"As: {self.person}\n{line}\n")
        reply = send.reply_to(self.loaded, key)
        found = journal.read(self.loaded, lambda conn: receipts.find_same(conn, [key], ""))
        return Asked(reply, found or "")

    def challenge(self, words: tuple[str, ...]) -> Code | None:
        """The code that waits for these words to be confirmed, if one does."""
        found = journal.read(
            self.loaded, lambda conn: codes.waiting(conn, self.person, time.time())
        )
        return found if found is not None and found.words == words else None


def flash(loaded: Loaded, plug: str, file: str, yes: bool, person: str) -> tuple[bool, str]:
    """(whether the plug runs what it should, the verdict); the daemon checks all we would."""
    if loaded.config.doors.drop is None:
        text = "the daemon takes no files, so it cannot be asked; add `drop: {}`, or stop it first"
        raise ConfigError(loaded.source.problem(("doors",), text))
    words = ("firmware", plug, "flash", *((file,) if file else ()))
    if not all(word.isprintable() and word for word in words):
        raise click.UsageError("a plug and a file are named by what can be typed")
    asker = Asker(loaded, _person(loaded, person))
    reply = asker.ask(*words).reply
    waiting = asker.challenge(words)
    if waiting is None:
        raise HousecarlError(reply)
    symbol = loaded.config.language.symbol
    sentence = reply.rpartition(f" Text {symbol}yes")[0] or reply
    code = _confirmed(asker, sentence, waiting, yes)
    return _watched(loaded, asker.ask("yes", code))


def _person(loaded: Loaded, named: str) -> str:
    """Who asks: the one named, else the one who lists this login."""
    people = loaded.config.people
    if named and named not in people:
        raise click.UsageError(f"--as: {configuration.stranger(named, loaded)}")
    login = user(os.getuid())
    found = named or next((name for name, one in people.items() if login in one.unix), "")
    if not found:
        raise click.UsageError("the daemon that runs does it for a person: name one with --as")
    if not send.may_send_as(people[found].unix, loaded.config.spool):
        raise NotAllowed(f"this login may not send as {found}; see `people.{found}.unix`")
    if not may_use(people[found].may, "firmware", builtin=False):
        raise NotAllowed(f"{found} may not use firmware; see `people.{found}.may`")
    if people[found].totp is not None and not sys.stdin.isatty():
        raise NotAllowed(f"{found} confirms with an app: its code must be typed on a terminal")
    return found


def _confirmed(asker: Asker, sentence: str, waiting: Code, yes: bool) -> str:
    """The code to answer with, once somebody said yes; the code of an app is never known here."""
    if not waiting.code:
        return str(click.prompt(f"{sentence} The code of your app", err=True)).strip()
    if not yes and not click.confirm(f"{sentence} Go on?", err=True):
        asker.ask("no")
        raise click.Abort
    return waiting.code


def _watched(loaded: Loaded, asked: Asked) -> tuple[bool, str]:
    """Follow the flash that this message began; when it did not, its reply says why."""
    from housecarl.cli.bar import bar

    store = VerbStore(loaded, "firmware")
    if not _is_of(asked, store.read(flash_log.KEY)) and _ended(store, asked) is None:
        raise HousecarlError(asked.reply)
    click.echo(asked.reply, err=True)
    deadline = time.monotonic() + LONGEST
    with bar("starting") as show:
        while time.monotonic() < deadline:
            ended = _ended(store, asked)
            if ended is not None:
                show(1.0, "done" if ended.get("done") else "failed")
                return bool(ended.get("done")), str(ended["outcome"])
            if not service.is_running(loaded.config.spool):
                raise Unreachable(f"the daemon ended; {TELLS} how it went")
            share, doing = store.read(flash_progress.KEY) or (0.0, "starting")
            show(float(share), str(doing))
            time.sleep(LOOK_SECONDS)
    raise Unreachable(f"no end of the flash in {LONGEST:g} s; {TELLS} how it stands")


def _ended(store: VerbStore, asked: Asked) -> dict[str, Any] | None:
    """The last flash, when this message began it."""
    row: dict[str, Any] | None = store.read(flash_log.LAST)
    return row if _is_of(asked, row) else None


def _is_of(asked: Asked, row: dict[str, Any] | None) -> bool:
    """Whether a flash was begun by this message; somebody else may have begun one meanwhile."""
    return row is not None and bool(asked.id) and row.get("receipt") == asked.id
