"""`firmware`: list the images, check one against a plug, flash it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from housecarl.config_file import Loaded
    from housecarl.plugs.cloud import CloudReady
    from housecarl.plugs.manifest import Candidate
    from housecarl.plugs.preflight import Ready


@click.group("firmware")
def verb() -> None:
    """List firmware images, check one against a plug, flash it."""


@verb.command("list")
@click.pass_context
def list_(ctx: click.Context) -> None:
    """Show the images of the firmware folder: what they say, or why they are none."""
    from housecarl.cli import configuration, devices
    from housecarl.plugs import manifest

    loaded = configuration.load(ctx.obj)
    with _clear_errors():
        settings = devices.settings_of(loaded, "firmware")
        folder, key = devices.folder_of(loaded, settings), devices.rules_of(loaded, settings).key
        found = manifest.read_folder(folder)
        for one in found.candidates:
            _show_image(one, folder, key)
    for file, why in found.refused:
        click.echo(click.style(f"{file}\n    refused: {why}", fg="red"))
    if not found.candidates and not found.refused:
        click.echo(f"No firmware files in {folder}.")


def _show_image(one: Candidate, folder: Path, key: int | None) -> None:
    from housecarl.plugs import image

    said = {
        "manifest": "said by manifest.yaml",
        "name": "said by its name",
        "image": "read in it",
        "nothing": "",
    }[one.source]
    version = f"{one.version}, {said}"
    if one.version is None:
        version = "tells no version: not flashed until manifest.yaml describes it"
    models = ", ".join(one.models) or "model not told"
    hardware = f" hardware {one.hardware}" if one.hardware else ""
    signature = "signature not checked"
    if key is not None:
        good = image.signed(image.read(folder, one.file)[1], key)
        signature = "signature good" if good else "NOT signed by the vendor"
    checked = "as in" if one.source == "manifest" else "not checked: not in"
    click.echo(one.file)
    click.echo(f"    {version}")
    click.echo(f"    {models}{hardware}, hardware id {', '.join(one.image.hw_ids)}")
    click.echo(f"    {one.image.size} bytes, {signature}")
    click.echo(f"    sha256 {one.image.sha256}, {checked} manifest.yaml")


@verb.command("check")
@click.argument("plug")
@click.argument("file", required=False)
@click.pass_context
def check(ctx: click.Context, plug: str, file: str | None) -> None:
    """Make every check for a flash of PLUG, with FILE or the newest that fits; changes nothing.

    Exit code 0 when it could be flashed, 1 when not, 69 when the plug does not answer.
    """
    from housecarl.cli import configuration, devices, flash_here
    from housecarl.errors import HousecarlError
    from housecarl.logs import set_up

    set_up("warning")
    loaded = configuration.load(ctx.obj)
    settings = devices.settings_of(loaded, "firmware")
    name = _in_folder(loaded, settings, file)
    with _clear_errors():
        flash_here.refuse_second(loaded)
        left = asyncio.run(flash_here.left_open(loaded, settings, close=False))
        if left is not None:
            if not left.ended:  # its plug may be writing, and no other could be flashed
                raise HousecarlError(left.text)
            click.echo(left.text, err=True)
        ready = asyncio.run(flash_here.prepare(loaded, settings, plug, name))
    _show_ready(ready)


def _show_ready(ready: Ready | CloudReady) -> None:
    from housecarl.plugs import version
    from housecarl.plugs.cloud import CloudReady

    seen = ready.identity
    old, new = version.short(seen.sw_ver), version.short(ready.target)
    click.echo(f"{ready.device.name} can be flashed {old} to {new}.")
    click.echo(f"    plug      {seen.model} {seen.hw_ver}, runs {seen.sw_ver}, {seen.rssi} dBm")
    if isinstance(ready, CloudReady):
        click.echo(f"    from      the TP-Link cloud, {ready.target}")
    else:
        _show_file(ready)
    if ready.judgement is not None and ready.judgement.watts is not None:
        click.echo(f"    load      {ready.judgement.watts:.0f} W")
    elif ready.judgement is not None:
        why = ready.judgement.fault or "gives no reading"
        click.echo(f"    load      not known: the plug {why}")


def _show_file(ready: Ready) -> None:
    one = ready.candidate
    click.echo(f"    file      {one.file}, {ready.target} (by {one.source})")
    click.echo(f"    hardware  {ready.identity.hw_id}, the same in both")
    click.echo(f"    signature {'good' if ready.signature_checked else 'not checked'}")
    click.echo(f"    served    from {ready.ours} to {ready.peer}")


@verb.command("flash")
@click.argument("plug")
@click.argument("file", required=False)
@click.option("-y", "--yes", is_flag=True, help="Do not ask: for scripts.")
@click.option(
    "--as",
    "person",
    metavar="PERSON",
    default="",
    help="Who asks a running daemon; else this login.",
)
@click.pass_context
def flash(ctx: click.Context, plug: str, file: str | None, yes: bool, person: str) -> None:
    """Flash PLUG with FILE, or the newest that fits, after every check; tells how it ended.

    A running daemon does it, asked as a person; else it is done here. One flash at a time.
    """
    from housecarl import service
    from housecarl.cli import configuration, devices, flash_handed, flash_here
    from housecarl.logs import set_up

    set_up("warning")
    loaded = configuration.load(ctx.obj)
    settings = devices.settings_of(loaded, "firmware")
    name = _in_folder(loaded, settings, file)
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("no terminal to ask on; give --yes")
    with _clear_errors():
        flash_here.refuse_second(loaded)
        if service.is_running(loaded.config.spool):
            done, text = flash_handed.flash(loaded, plug, name, yes, person)
        else:
            done, text = flash_here.flash(loaded, settings, plug, name, yes)
    click.echo(text, err=not done)
    ctx.exit(0 if done else 1)


def _in_folder(loaded: Loaded, settings: Any, file: str | None) -> str:
    """The name of a file that may be given with its path, "" for none; usage error outside."""
    from housecarl.cli import devices

    if file is None:
        return ""
    folder = devices.folder_of(loaded, settings)
    head, name = os.path.split(file)
    if head and os.path.realpath(head) != os.path.realpath(folder):
        raise click.UsageError(f"{file} is not in the firmware folder {folder}")
    return name


@contextmanager
def _clear_errors() -> Iterator[None]:
    """Exit code 2 for a plug that is not known, 69 for a silent one, 75 while one is flashed."""
    from housecarl.cli.flash_here import Busy
    from housecarl.errors import Unreachable
    from housecarl.plugs.names import UnknownPlug
    from housecarl.plugs.wire import PlugSilent

    try:
        yield
    except UnknownPlug as error:
        raise click.UsageError(str(error)) from None
    except PlugSilent as error:
        raise Unreachable(f"{error} Nothing was done.") from None
    except Busy as error:
        click.echo(str(error), err=True)
        click.get_current_context().exit(75)
