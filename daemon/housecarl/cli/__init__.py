"""The command line: one short file per group of verbs, loaded when its verb is used."""

from __future__ import annotations

import errno
import importlib
import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import click

from housecarl import errors

#: Every verb, the file it stands in, and its help: so that `--help` loads no other file.
VERBS = {
    "demo": ("demo", "Text a made-up house on this machine and watch what it does."),
    "init": ("init", "Ask what must be known, and write a configuration that works."),
    "check": ("check", "Check the configuration, offline."),
    "doctor": ("doctor", "Try everything for real; each FAIL with how to mend it."),
    "test-send": ("test_send", "Send one reply to a person by their own way."),
    "run": ("run", "Run the daemon in the foreground."),
    "try": ("try_", "Carry out a command here and print the reply."),
    "send": ("send", "Drop a command into the spool as a person."),
    "status": ("status", "How the house is; exit code 1 in trouble."),
    "log": ("log", "What the house did."),
    "why": ("why", "Every decision about one message, with its reason."),
    "queue": ("queue", "Replies that wait or were refused."),
    "person": ("person", "List people, set passwords and codes, switch a person off."),
    "plugs": ("plugs", "Find smart plugs, list those of the configuration."),
    "firmware": ("firmware", "List firmware images, check one against a plug, flash it."),
    "module": ("module", "List modules, write a new one, test one."),
    "completion": ("completion", "Shell completion."),
}

#: Exit codes of sysexits(3), by the error that leads to them.
EXIT_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (errors.SecretLater, 69),
    (errors.ConfigError, 78),
    (errors.JournalNewer, 78),
    (errors.NotAllowed, 77),
    (errors.Unreachable, 69),
    (errors.StorageError, 75),
    (errors.HousecarlError, 1),
)


#: What a disk says that takes nothing: no fault of ours, so no trace.
DISK_FAULTS = {errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO}


class Verbs(click.Group):
    """Finds a verb by name and imports its file only then."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every verb, in the order of a newcomer's needs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's own command."""
        if cmd_name not in VERBS:
            return None
        file, _ = VERBS[cmd_name]
        found = importlib.import_module(f"housecarl.cli.{file}").verb
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """A verb that does not exist gets one suggestion."""
        name = args[0] if args else ""
        if name and name not in VERBS and not name.startswith("-"):
            import difflib

            near = difflib.get_close_matches(name, VERBS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise click.UsageError(f"No verb '{name}'.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs for `--help`."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])


@click.group(
    cls=Verbs,
    subcommand_metavar="VERB [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("-c", "--config", type=click.Path(path_type=Path), help="The configuration file.")
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
@click.option("-q", "--quiet", is_flag=True, help="Log warnings only.")
@click.version_option(package_name="housecarl")
@click.pass_context
def housecarl(ctx: click.Context, config: Path | None, verbose: bool, quiet: bool) -> None:
    """Text or e-mail your house: it checks that it is you, does it, and texts back.

    \b
    Exit codes: 0 done, 1 failed or trouble, 2 usage,
    69 a service, or the disk of a secret, cannot be reached,
    75 try again later, 77 not allowed, 78 config wrong.
    """
    ctx.obj = config
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    ctx.color = False if plain else None
    level = "debug" if verbose else "warning" if quiet else "info"
    ctx.meta["housecarl.level"] = level


def tell(error: errors.HousecarlError) -> int:
    """Say what went wrong on stderr; the exit code for it."""
    click.echo(str(error), err=True)
    return next(code for kind, code in EXIT_CODES if isinstance(error, kind))


def main() -> None:
    """The program `housecarl`: errors become one clear text on stderr and an exit code."""
    _fill_closed()
    try:
        try:
            housecarl.main(standalone_mode=True)
        finally:
            _flush()
    except errors.HousecarlError as error:
        sys.exit(tell(error))
    except UnicodeDecodeError as error:
        if not _is_of_prompt(error):
            raise
        click.echo(f"what was typed is no {error.encoding} text; nothing was done", err=True)
        sys.exit(1)
    except UnicodeEncodeError as error:
        if _is_of_echo(error):
            line = error.object[: error.end].rpartition("\n")[2]
            text = f"{line!a} cannot be printed; PYTHONIOENCODING=utf-8:surrogateescape helps"
        elif error.encoding != "utf-8":
            text = f"{error.object!a} cannot be a file's name in this locale; LC_ALL=C.UTF-8 helps"
        else:
            raise
        click.echo(text, err=True)
        sys.exit(1)
    except OSError as error:
        if _is_of_output(error):
            _end_unheard(error)
        if error.filename is None and error.errno not in DISK_FAULTS:
            raise
        sys.exit(_told(error))


def _told(error: OSError) -> int:
    """One line about a file that cannot be used; the exit code."""
    where = error.filename or "the disk"
    if isinstance(error, PermissionError):
        # spool and journal are the daemon's alone
        click.echo(f"{where}: this login may not; run it as the daemon's user", err=True)
        return 77
    click.echo(f"{where}: {error.strerror}", err=True)
    return 75 if error.errno in DISK_FAULTS else 1


def _fill_closed() -> None:
    """Input, output and errors that are closed lead nowhere: no socket may get their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123


def _flush() -> None:
    """Write out what was printed."""
    sys.stdout.flush()


def _is_of_output(error: OSError) -> bool:
    """Whether it was printing that failed: what stdout would not take is still there.

    Without a buffer (`PYTHONUNBUFFERED`) nothing is, but then it comes out of `echo` itself.
    """
    if _is_of_echo(error):
        return True
    try:
        _flush()
    except OSError:
        return True
    return False


def _is_of_prompt(error: Exception) -> bool:
    """Whether it comes out of a question, such as one for a password, which opens the terminal."""
    asked = click.prompt.__code__, click.confirm.__code__
    return any(frame.f_code in asked for frame, _ in traceback.walk_tb(error.__traceback__))


def _is_of_echo(error: Exception) -> bool:
    """Whether it comes straight out of `echo`."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_code is click.echo.__code__


def _end_unheard(error: OSError) -> NoReturn:
    """One line, exit code 1; the null device takes the rest, the interpreter's own last flush."""
    with suppress(OSError):  # stderr may be on the same full disk
        click.echo(f"the output cannot be written: {error.strerror}", err=True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(1)
