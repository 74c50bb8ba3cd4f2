"""`person`: who is obeyed, their passwords and codes, and a switch for a lost phone."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

import click

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from housecarl.config_file import Loaded
    from housecarl.config_people import Person
    from housecarl.secret import Secret

T = TypeVar("T")


@click.group("person")
def verb() -> None:
    """List people, set passwords and codes, switch a person off and on."""


def _known(ctx: click.Context, name: str) -> tuple[Loaded, Person]:
    from housecarl.cli import configuration

    loaded = configuration.load(ctx.obj)
    if name not in loaded.config.people:
        raise click.UsageError(configuration.stranger(name, loaded))
    return loaded, loaded.config.people[name]


def _change(given: Path | None, name: str, do: Callable[[sqlite3.Connection], T]) -> T:
    """Change the journal of the house that may obey NAME still, whatever its file says by now."""
    from housecarl import config_file, service
    from housecarl.cli import configuration, journal
    from housecarl.config_people import as_name
    from housecarl.errors import ConfigError, StorageError

    try:
        as_name(name)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    file = config_file.find(given)
    try:
        loaded = config_file.load(file)
        spool = loaded.config.spool
        if name not in loaded.config.people:
            click.echo(f"note: {configuration.stranger(name, loaded)}", err=True)
    except ConfigError as error:
        spool, text = configuration.former(file, error)
        click.echo(f"note: {text}", err=True)
    unserved = not service.is_running(spool)
    if unserved and (why := service.astray(file, spool)):
        raise StorageError(f"nothing was changed: {why}")
    done = journal.write_at(spool, do, file)
    if unserved:  # one may run on the spool that the file named before
        click.echo(f"note: no daemon serves {spool} now; it holds once one does", err=True)
    return done


@verb.command("list")
@click.pass_context
def list_(ctx: click.Context) -> None:
    """Show everybody: how they are known, what they may, whether they are switched off."""
    from housecarl.cli import configuration, journal
    from housecarl.journal import people

    loaded = configuration.load(ctx.obj)
    off = journal.read(loaded, people.off) if journal.may_read(loaded.config.spool) else {}
    zone = ZoneInfo(loaded.config.timezone)
    for name, person in loaded.config.people.items():
        ways = [*person.phones, *person.addresses, *(f"login {login}" for login in person.unix)]
        ways += [f"AUTH {person.login.user}"] if person.login else []
        ways += ["codes by app"] if person.totp else []
        until = f", until {person.until}" if person.until else ""
        line = f"{name}: {', '.join(ways) or 'no way in'}; may {' '.join(person.may)}{until}"
        click.echo(line + (_off(off.pop(name), zone) if name in off else ""))
    for name, since in off.items():  # by another name they would be obeyed
        click.echo(f"{name}: no longer in the configuration{_off(since, zone)}")
    if not loaded.config.people:
        click.echo("Nobody: add yourself under `people`.")


def _off(since: float, zone: ZoneInfo) -> str:
    at = datetime.fromtimestamp(since, UTC).astimezone(zone)
    return click.style(f"; OFF since {at:%Y-%m-%d %H:%M}", fg="red")


@verb.command("off")
@click.argument("name")
@click.pass_context
def off(ctx: click.Context, name: str) -> None:
    """Obey NAME no more, at once: a lost phone. Kept in the journal until `person on`.

    Also somebody whom the configuration names no more, and beside a file that is broken: a daemon
    that runs may obey them still.
    """
    from housecarl.journal import people

    _change(ctx.obj, name, lambda conn: people.switch_off(conn, name, time.time()))
    click.echo(f"{name} is off. `housecarl person on {name}` switches them on again.")


@verb.command("on")
@click.argument("name")
@click.pass_context
def on(ctx: click.Context, name: str) -> None:
    """Obey NAME again, and learn their conversation anew from their next text."""
    from housecarl.journal import people

    def switch(conn: sqlite3.Connection) -> bool:
        people.forget_ways(conn, name)
        return people.switch_on(conn, name)

    was_off = _change(ctx.obj, name, switch)
    click.echo(f"{name} is on." if was_off else f"{name} was not off; their conversation is new.")


@verb.command("password")
@click.argument("name")
@click.pass_context
def password(ctx: click.Context, name: str) -> None:
    """Set the SMTP AUTH password of NAME: writes the hash file, or prints the lines to add."""
    from housecarl.password import hash_password

    loaded, person = _known(ctx, name)
    typed = _typed_password()
    if not typed.isprintable():
        raise click.UsageError("a password has letters, digits and signs, in UTF-8")
    if len(typed) < 10:
        raise click.UsageError("at least 10 characters, please: it opens the house")
    file = f"secrets/{name}.hash"
    entry = f"login: {{user: {name}, hash: {{file: {file}}}}}"
    known = person.login.hash if person.login is not None else None
    _keep(loaded, name, known, hash_password(typed), file, entry)


def _typed_password() -> str:
    """Asked for twice on a terminal, else the first line of the input."""
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.buffer.readline().decode("utf-8", "surrogateescape").rstrip("\n")


@verb.command("totp")
@click.argument("name")
@click.pass_context
def totp(ctx: click.Context, name: str) -> None:
    """Enrol an authenticator app for NAME: shows a QR code, and writes the secret's file."""
    from pyotp import random_base32
    from pyotp.totp import TOTP

    loaded, person = _known(ctx, name)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("needs a terminal: it shows a code to scan and asks for an answer")
    secret = random_base32()
    uri = TOTP(secret).provisioning_uri(name=name, issuer_name=loaded.config.house)
    _show_code(uri)
    typed = click.prompt("The code that the app shows now")
    if not typed.isascii() or not TOTP(secret).verify(typed.strip(), valid_window=1):
        raise click.UsageError("that is not the code; nothing was changed")
    file = f"secrets/{name}.totp"
    _keep(loaded, name, person.totp, secret, file, f"totp: {{file: {file}}}")


def _keep(
    loaded: Loaded, name: str, known: Secret | None, line: str, file: str, entry: str
) -> None:
    """Write a secret into the file that is configured; else say where it goes, and its `entry`."""
    from housecarl import private_file, service

    if known is not None and known.file is not None:
        private_file.write(known.file, f"{line}\n", like=loaded.config.spool)
        taken = service.reload(loaded.source.path)
        click.echo(f"Written to {known.file}. {taken} takes it up.")
        return
    click.echo(f"Put this line into {file} (mode 600), beside the configuration:")
    click.echo(f"  {line}")
    click.echo(f"and this under `people.{name}`:")
    click.echo(f"  {entry}")


def _show_code(uri: str) -> None:
    """The QR code as blocks, where the locale has them; the text for whoever cannot scan it."""
    import qrcode

    code = qrcode.QRCode(border=2)
    code.add_data(uri)
    drawn = io.StringIO()
    code.print_ascii(out=drawn, invert=True)
    try:
        drawn.getvalue().encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        click.echo("No QR code in this locale (LC_ALL=C.UTF-8 has it); type the secret of this:")
    else:
        click.echo(drawn.getvalue(), nl=False)
    click.echo(uri)
