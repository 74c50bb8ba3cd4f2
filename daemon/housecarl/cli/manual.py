"""The manual pages, made of what `--help` and the configuration say of themselves.

`python -m housecarl.cli.manual FOLDER` writes FOLDER/man1/housecarl.1 and
FOLDER/man5/housecarl.yaml.5.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click

from housecarl.cli import housecarl
from housecarl.cli.roff import Page
from housecarl.config_keys import Key, keys

#: What the environment tells the program.
ENVIRONMENT = {
    "HOUSECARL_CONFIG": "The configuration file, when no -c names one.",
    "STATE_DIRECTORY": "Set by systemd; `spool/` in it is the spool, when no other is named.",
    "CREDENTIALS_DIRECTORY": "Set by systemd; where {credential: NAME} is read.",
    "NO_COLOR": "Set to anything: no colour.",
}

#: What a signal does to `housecarl run`.
SIGNALS = {
    "SIGTERM": "Ends after the running command.",
    "SIGHUP": "Reads the configuration again; a bad one is named in the log and the old one stays.",
}

#: Where the configuration is looked for, the first that exists.
FILES = {
    "config/housecarl.yaml": "In the current folder.",
    "~/.config/housecarl/housecarl.yaml": "Of one user.",
    "/etc/housecarl/housecarl.yaml": "Of the machine; what the unit of systemd names.",
    "/var/lib/housecarl/spool": "Messages and the journal of the unit of systemd.",
}

#: How the file is read, in short; docs/config.md is the long form.
READING = """
YAML 1.2: `on`, `off`, `yes`, `22:30` and `0123` mean themselves. A key that is unknown or stands
twice is an error, and so are anchors, aliases and tags. Durations are `30s`, `5m`, `2h`, `3d`,
sizes `256K`, `64M`, `1G`. Paths are relative to the file. `housecarl check` names every fault at
once, with line and column; `housecarl init` writes a first file.

In the keys below NAME is a name you choose, [] each entry of a list. An empty section is a section
of defaults, an empty door a door that is on. Below `modules`, every key but `folders` is the
settings of the module of that name.
"""

SECRETS = """
A secret never stands in the file. It is named: {credential: NAME} is read from
$CREDENTIALS_DIRECTORY (LoadCredential= in the unit), {file: PATH} from a file that only its owner
can read, {env: NAME} from the environment.
"""

EXAMPLE = """
house: Elm Street
timezone: America/Denver
people:
  ann: {phones: ["+1 303 555 0123"], may: ["*"], owner: true}
  bo: {addresses: [bo@example.org], may: [plug, weather], until: 2030-12-31}
doors:
  imap: {host: imap.gmail.com, user: house@gmail.com, password: {file: secrets/gmail}}
trust:
  google_voice: {account: house@gmail.com, number: "+1 303 555 0100"}
post:
  host: smtp.gmail.com
  user: house@gmail.com
  password: {file: secrets/gmail}
  from: house@gmail.com
"""


def verbs(context: click.Context | None = None) -> Iterator[click.Context]:
    """A context for the program, each verb and each verb of a verb, in the order of `--help`."""
    context = context or click.Context(housecarl, info_name="housecarl")
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            inner = context.command.get_command(context, name)
            assert inner is not None
            yield from verbs(click.Context(inner, parent=context, info_name=name))


def options(context: click.Context) -> Iterator[tuple[str, str]]:
    """Each option of a verb and its help, as `--help` shows them; not `--help` itself."""
    own_help = context.command.get_help_option(context)
    for parameter in context.command.get_params(context):
        if isinstance(parameter, click.Option) and parameter is not own_help:
            record = parameter.get_help_record(context)
            assert record is not None, f"{parameter.name} is hidden"
            yield record


def usage(context: click.Context) -> str:
    """`housecarl send [OPTIONS] TEXT`; without [OPTIONS] when there is none but --help."""
    pieces = context.command.collect_usage_pieces(context)
    if not list(options(context)):
        pieces.remove("[OPTIONS]")
    return " ".join([context.command_path, *pieces])


def program() -> str:
    """housecarl(1)."""
    top, *rest = verbs()
    prose, _, codes = inspect.cleandoc(top.command.help or "").partition("\b\nExit codes: ")
    page = Page("housecarl", 1, _version(), "text or e-mail your house")
    page.section("synopsis")
    page.prose(f"`housecarl` {' '.join(top.command.collect_usage_pieces(top))}")
    page.section("description")
    page.prose(prose)
    page.section("options")
    for names, text in options(top):
        page.tagged(names, text)
    page.section("verbs")
    for context in rest:
        page.part(usage(context))
        page.prose(inspect.cleandoc(context.command.help or ""))
        for names, text in options(context):
            page.tagged(names, text)
    page.section("exit status")
    for code in " ".join(codes.split()).rstrip(".").split(", "):
        number, _, meaning = code.partition(" ")
        page.tagged(number, f"{meaning}.")
    for heading, entries in (("environment", ENVIRONMENT), ("signals", SIGNALS), ("files", FILES)):
        page.section(heading)
        for tag, text in entries.items():
            page.tagged(tag, text)
    page.section("see also")
    page.prose("`housecarl.yaml`(5), `systemctl`(1)")
    return page.text


def configuration() -> str:
    """housecarl.yaml(5)."""
    page = Page("housecarl.yaml", 5, _version(), "whom a house obeys, and how it answers")
    page.section("description")
    page.prose(READING)
    page.section("secrets")
    page.prose(SECRETS)
    page.section("keys")
    found = list(keys())
    sections = {key.path.partition(".")[0] for key in found if "." in key.path}
    for key in sorted(found, key=lambda key: key.path.partition(".")[0] in sections):
        if key.path in sections:
            page.part(key.path)
        page.tagged(key.path, key.meaning, _default(key))
    page.section("example")
    page.example(EXAMPLE.strip())
    page.section("see also")
    page.prose("`housecarl`(1), `systemd.exec`(5)")
    return page.text


def write(folder: Path) -> list[Path]:
    """Write both pages into the man1/ and man5/ of a folder; their paths."""
    pages = {
        folder / "man1" / "housecarl.1": program(),
        folder / "man5" / "housecarl.yaml.5": configuration(),
    }
    for path, text in pages.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "ascii")
    return list(pages)


def _default(key: Key) -> str:
    if key.default == "required":
        return "(required)"
    return "" if key.default == "-" else f"(default: {key.default})"


def _version() -> str:
    return f"housecarl {version('housecarl')}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("python -m housecarl.cli.manual FOLDER")
    for path in write(Path(sys.argv[1])):
        click.echo(path)
