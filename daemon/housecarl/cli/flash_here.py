"""A flash carried out by this very process, when no daemon runs."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from housecarl.errors import HousecarlError

if TYPE_CHECKING:
    from housecarl.config_file import Loaded
    from housecarl.plugs.cloud import CloudReady
    from housecarl.plugs.flash import Outcome
    from housecarl.plugs.preflight import Ready


class Busy(HousecarlError):
    """A flash is under way, here or in another process; exit code 75."""


class Left(NamedTuple):
    """What is known of a flash whose end nobody saw; until it has `ended` there is no other."""

    ended: bool
    text: str


def refuse_second(loaded: Loaded) -> None:
    """Raise Busy while a flash is under way; one whose process is gone is `left_open`."""
    from housecarl.cli.verb_store import VerbStore
    from housecarl.plugs import version
    from housecarl.plugs.flash_log import StoreLog

    for row in asyncio.run(StoreLog(VerbStore(loaded, "firmware")).unfinished()):
        if row.live:
            target = version.short(row.target)
            raise Busy(f"{row.plug} is being flashed to {target}. Do not unplug.")


def flash(loaded: Loaded, settings: Any, plug: str, file: str, yes: bool) -> tuple[bool, str]:
    """(whether the plug runs what it should, the verdict). Raises Busy, and what `prepare` does."""
    from housecarl.plugs import consent

    left = asyncio.run(left_open(loaded, settings, close=True))
    if left is not None:
        raise HousecarlError(left.text)
    ready = asyncio.run(prepare(loaded, settings, plug, file))
    if not yes:
        click.confirm(f"{question(ready)} Go on?", abort=True, err=True)
        # whoever was asked may have taken their time
        asked, ready = ready, asyncio.run(prepare(loaded, settings, plug, file))
        consent.refuse_other(consent.Asked.about(asked), ready)
    with _undisturbed(ready.device.name):
        outcome = asyncio.run(_flash(loaded, settings, ready))
    return outcome.done, outcome.text


async def left_open(loaded: Loaded, settings: Any, *, close: bool) -> Left | None:
    """What became of a flash whose end nobody saw; with `close` the journal notes that end."""
    from housecarl.cli.verb_store import VerbStore
    from housecarl.plugs import aftermath, tapo
    from housecarl.plugs.flash_log import StoreLog
    from housecarl.plugs.names import device

    log = StoreLog(VerbStore(loaded, "firmware"))
    for row in await log.unfinished():
        address = settings.plugs.get(row.plug)
        plug = device(row.plug, address) if address is not None else None
        ended, sentence = await aftermath.found(row, plug, loaded.config.timezone)
        await tapo.close()
        if ended and close:
            await log.finish(sentence)
        return Left(ended, sentence)
    return None


async def prepare(loaded: Loaded, settings: Any, plug: str, file: str) -> Ready | CloudReady:
    """Every check. Raises NotReady, ImageError, PlugError, UnknownPlug, ConfigError."""
    from housecarl.cli import devices
    from housecarl.plugs import flashing, tapo
    from housecarl.plugs.names import named

    found = await named([plug], settings.plugs)
    if len(found) > 1:
        raise click.UsageError("one plug at a time")
    try:
        cloud = isinstance(found[0], tapo.NewDevice)
        rules = await asyncio.to_thread(devices.rules_of, loaded, settings, needed=not cloud)
        return await flashing.prepare(found[0], rules, file or None)
    finally:
        await tapo.close()


def question(ready: Ready | CloudReady) -> str:
    """What is asked before a flash."""
    from housecarl.plugs import version
    from housecarl.plugs.cloud import CloudReady

    old, new = version.short(ready.identity.sw_ver), version.short(ready.target)
    checked = isinstance(ready, CloudReady) or ready.signature_checked
    signed = "" if checked else " Its signature is not checked."
    head = f"Flash {ready.device.name} {old} to {new}? It goes off for 2 min."
    return f"{head}{signed}{ready.load_unknown}"


async def _flash(loaded: Loaded, settings: Any, ready: Ready | CloudReady) -> Outcome:
    """Claim the one flash and carry it out, with a bar."""
    from housecarl.cli.bar import bar
    from housecarl.cli.verb_store import VerbStore
    from housecarl.plugs import flashing, tapo
    from housecarl.plugs.download import Pace
    from housecarl.plugs.flash_log import StoreLog

    log = StoreLog(VerbStore(loaded, "firmware"))
    receipt = secrets.token_hex(8)
    try:
        async with _noted(loaded, receipt):
            if not await log.claim(ready.device.name, {**ready.facts(), "receipt": receipt}):
                raise Busy("Another flash is running. One at a time.")
            with bar("starting") as show:
                return await flashing.flash(ready, log, Pace(settings.pace), show).run()
    finally:
        await tapo.close()


@asynccontextmanager
async def _noted(loaded: Loaded, receipt: str) -> AsyncIterator[None]:
    """While this goes on, it is noted: when it is cut off, the daemon tells the owners.

    Nothing is told when nothing was begun.
    """
    from housecarl.alerts import owners
    from housecarl.cli import journal
    from housecarl.cli.verb_store import VerbStore
    from housecarl.journal import people
    from housecarl.means import BACKGROUND, note_of

    store = VerbStore(loaded, BACKGROUND)
    off = journal.read(loaded, people.off) if journal.may_read(loaded.config.spool) else {}
    here = owners(loaded.config, datetime.now(UTC), off.__contains__)
    told = {f"{receipt}.{n}": name for n, name in enumerate(here)}
    for key, name in told.items():
        await store.set(key, {**note_of(name, "firmware", receipt, None), "told": True})
    try:
        yield
    finally:
        for key in told:
            await store.set(key, None)


@contextmanager
def _undisturbed(plug: str) -> Iterator[None]:
    """No Ctrl-C and no lost connection ends the watch over a plug that is being written."""

    def said(_number: int, _frame: object) -> None:
        # not by a stream, which may be in the middle of a write
        with suppress(OSError):
            os.write(2, f"\n{plug} is being flashed, and that goes on. Do not unplug.\n".encode())

    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, said),
        signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
