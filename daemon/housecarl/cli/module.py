"""`module`: list modules, write a new one, test one."""

from __future__ import annotations

import asyncio
import importlib.util
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from housecarl.config_file import Loaded
    from housecarl.registry import Registry


@click.group("module")
def verb() -> None:
    """List modules, write a new one, test one."""


@verb.command("list")
@click.pass_context
def list_(ctx: click.Context) -> None:
    """Show every command and its file, and the files that are off with the reason."""
    from housecarl.cli import configuration
    from housecarl.logs import set_up
    from housecarl.rehearsal import make_judge

    loaded = configuration.load(ctx.obj)
    set_up("error")  # what is off stands in the list, and is not said twice
    registry = asyncio.run(make_judge(loaded)).registry
    for command in registry.commands.values():
        if not command.builtin:
            risk = command.spec.risk if isinstance(command.spec.risk, str) else "by arguments"
            click.echo(f"{command.usage()}  [{risk}] {command.file}\n    {command.help}")
    trouble = _trouble(registry)
    for line in trouble:
        click.echo(click.style(line, fg="red" if line.startswith("broken") else "yellow"))
    ctx.exit(1 if any(line.startswith("broken") for line in trouble) else 0)


def _trouble(registry: Registry) -> list[str]:
    lines = [f"broken: {text}" for text in registry.broken.values()]
    lines += [f"off: {text}" for text in registry.unset.values()]
    lines += [f"note: {text} ({file})" for file, text in registry.notes.items()]
    lines += [f"broken: {text}" for text in registry.lost.values()]
    return lines


@verb.command("new")
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Where to write it; else the first folder of your own in the configuration.",
)
@click.pass_context
def new(ctx: click.Context, name: str, folder: Path | None) -> None:
    """Write a new module NAME and its test, ready to be filled in."""
    from housecarl import skeleton

    loaded = _loaded(ctx.obj, needed=folder is None)
    if folder is None:
        folders = loaded.config.modules.folders
        if not folders:
            raise click.UsageError("name a --folder, or one of your own under `modules.folders`")
        folder = folders[0]
    _refuse_taken(name, loaded)
    for path in skeleton.write(name, folder):
        click.echo(path)
    click.echo(_next(name, folder, loaded))


def _next(name: str, folder: Path, loaded: Loaded) -> str:
    """How the new module comes to be heard and tested; a daemon sees its own folders only."""
    typed = loaded.config.facts.typed(name, "Ann")
    test = f"housecarl module test {name}"
    if folder.resolve() in [each.resolve() for each in loaded.config.modules.folders]:
        return f"Text {typed} once the daemon has seen it; `{test}`."
    place = shlex.quote(str(folder))
    return (
        f"No daemon looks there yet: name {folder.absolute()} under `modules.folders`, reload, "
        f"then text {typed}; `{test} --folder {place}`."
    )


def _loaded(given: Path | None, *, needed: bool) -> Loaded:
    """The house that the module is for; the shipped configuration where none is needed or named."""
    from housecarl import config_file
    from housecarl.cli import configuration
    from housecarl.errors import ConfigError, NotAllowed
    from housecarl.shipped import shipped

    try:
        return configuration.load(given)
    except (ConfigError, NotAllowed):
        if needed or given is not None:
            raise
        return config_file.load(shipped("config") / "housecarl.yaml")


def _refuse_taken(name: str, loaded: Loaded) -> None:
    """A command that is there already wins over one of the same name, which would be off."""
    from housecarl.errors import ModuleError
    from housecarl.logs import set_up
    from housecarl.rehearsal import make_judge
    from housecarl.shipped import shipped

    set_up("error")  # what else is off is not asked
    taken = asyncio.run(make_judge(loaded)).registry.owner(name)
    if taken is None:
        return
    file = Path(taken.file)
    where = f"of {file}"
    if file.parent == shipped("modules").absolute():
        where = f"of the shipped {file.name}"
    elif taken.builtin:
        where = "that is built in"
    raise ModuleError(f"{name} is a command {where} already; take another name")


@verb.command("test")
@click.argument("name", required=False)
@click.option("--folder", type=click.Path(path_type=Path, exists=True), help="Where it stands.")
@click.pass_context
def test(ctx: click.Context, name: str | None, folder: Path | None) -> None:
    """Run the test of module NAME, or of every module of your own, with pytest."""
    from housecarl import skeleton
    from housecarl.cli import configuration
    from housecarl.errors import HousecarlError

    if name is not None:
        skeleton.check_name(name)
    if not _has("pytest"):
        raise HousecarlError(f"pytest is not installed: {sys.executable} -m pip install pytest")
    folders = [folder] if folder else configuration.load(ctx.obj).config.modules.folders
    pattern = "test_*.py" if name is None else f"test_{name}.py"
    found = sorted(path for each in folders for path in each.glob(pattern))
    if not found:
        where = ", ".join(map(str, folders)) or "folders of your own: `modules.folders` names none"
        raise HousecarlError(f"no {pattern} in {where}")
    # neither the folder nor this one is where Python looks: an `email.py` there hides nothing
    pytest = [sys.executable, "-P", "-m", "pytest", "-q", "--import-mode=importlib"]
    # pytest-asyncio, where it is installed, warns of every run that does not say this
    scope = ["-o", "asyncio_default_fixture_loop_scope=function"] if _has("pytest_asyncio") else []
    done = subprocess.run([*pytest, *scope, *found], check=False)
    ctx.exit(1 if done.returncode else 0)


def _has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
