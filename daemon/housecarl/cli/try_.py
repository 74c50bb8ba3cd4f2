"""`try`: carry a command out here and print the reply."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import sqlite3

    from housecarl.config_file import Loaded
    from housecarl.house import House
    from housecarl.judge import Case
    from housecarl.record import Done


@click.command("try")
@click.argument("text")
@click.option(
    "--as",
    "person",
    metavar="PERSON",
    default="",
    help="The person to be; else who lists this login.",
)
@click.pass_context
def verb(ctx: click.Context, text: str, person: str) -> None:
    """Carry TEXT out here, write it into the journal, and print the SMS; nothing is sent.

    What is dangerous is refused: it needs a code, and so the real way.
    """
    from housecarl.cli import configuration, journal
    from housecarl.errors import HousecarlError, NotAllowed
    from housecarl.logs import set_up

    set_up("warning")
    loaded = configuration.load(ctx.obj)
    journal.refuse_root(loaded.config.spool, loaded.source.path)
    if person and person not in loaded.config.people:
        raise click.UsageError(f"--as: {configuration.stranger(person, loaded)}")
    symbol = loaded.config.language.symbol
    text = text if text.startswith(symbol) else symbol + text
    try:
        case, done = asyncio.run(_carry(loaded, text, person))
    except asyncio.CancelledError:  # by a signal, before anything was begun
        raise click.Abort from None
    finally:  # a job, or a second message, is for the daemon to carry out
        with suppress(OSError):
            journal.wake(loaded.config.spool)
    if not case.person:
        raise NotAllowed("this login is nobody here: name a person with --as, or list it (`unix`)")
    if case.word == "confirm":
        raise NotAllowed(f"{case.calls[0].name} needs a code: text it, or use its own verb")
    if not done.replies:  # in silence, as strangers get it
        raise HousecarlError(f"refused: {case.reason}")
    _show(loaded, done, case)
    if case.word != "run" or any(run.outcome != "done" for run in done.runs):
        raise HousecarlError("It did not go well.")


async def _carry(loaded: Loaded, text: str, person: str) -> tuple[Case, Done]:
    """The worker's steps 4 to 10, here; the reply is kept in the journal and not sent."""
    from housecarl import life
    from housecarl.clock import SystemClock
    from housecarl.doors.drop_text import as_message
    from housecarl.house import House
    from housecarl.message import Stamp
    from housecarl.message.name import id_of, make_name
    from housecarl.record import Done
    from housecarl.recover import PROCESS

    _end_as_by_ctrl_c()
    house = House(loaded, SystemClock())
    name = make_name(datetime.now(UTC))
    async with house.at_the_desk():
        stamp = Stamp(
            door="try",
            arrived=house.clock.now(),
            key=f"try:{id_of(name)}",
            uid=str(os.getuid()),
            as_person=person,
        )
        raw = text.encode("utf-8", "surrogateescape")  # as the terminal sent it
        case = await house.judge.judge(id_of(name), as_message(raw), stamp, house.clock.now())
        if not case.person or case.word == "confirm":
            return case, Done()
        checks = {**case.verdict.checks, PROCESS: json.dumps(life.mark())}
        case = case._replace(verdict=replace(case.verdict, checks=checks))
        done = await _run(house, case, name)
        await house.record.conclude(case, name, done, answered=False)
        return case, done


async def _run(house: House, case: Case, name: str) -> Done:
    """Carry it out; when that is cut off, the journal and the terminal say that it may be done."""
    from housecarl.errors import HousecarlError
    from housecarl.journal import receipts
    from housecarl.record import interrupted

    def end(conn: sqlite3.Connection) -> str | None:
        begun = receipts.find(conn, case.id)
        return None if begun is None else interrupted(conn, begun, house.clock.now().timestamp())

    try:
        return await house.worker.run(case, name)
    except asyncio.CancelledError:
        told = await house.db.write(end)  # behind what is still being noted
        if told is None:
            raise
        raise HousecarlError(told) from None


def _end_as_by_ctrl_c() -> None:
    """SIGTERM and a terminal that is closed cancel what runs, too."""
    task = asyncio.current_task()
    assert task is not None  # asyncio.run made it
    for number in (signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores one of them
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)


def _show(loaded: Loaded, done: Done, case: Case) -> None:
    """The text message, how long it is, and what waits for !more."""
    from housecarl.reply import Facts, Renderer
    from housecarl.septets import parts, septets

    config = loaded.config
    renderer = Renderer(symbol=config.language.symbol, budget=config.limits.reply_septets)
    pages = renderer.pages(done.replies, Facts(config.house, case.id[:4]))
    for page in pages:
        click.echo(page)
    first = pages[0]
    size = f"{septets(first)} septets, {parts(first)} {'part' if parts(first) == 1 else 'parts'}"
    more = f", {len(pages) - 1} more by {config.language.symbol}more" if len(pages) > 1 else ""
    click.echo(click.style(f"[{size}{more}] log {case.id[:4]}", dim=True), err=True)
