"""The daemon between two houses, and what it does when a part of one ends."""

from __future__ import annotations

import asyncio
import os
import pwd
import smtplib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from housecarl import config_file
from housecarl import daemon as daemons
from housecarl.clock import SystemClock
from housecarl.daemon import Daemon
from housecarl.errors import StorageError, Unreachable
from housecarl.house import House
from housecarl.journal import conditions
from housecarl.memory import Memory
from housecarl.testing.house import TestHouse

LOGIN = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def house(tmp_path: Path) -> Iterator[TestHouse]:
    with TestHouse(tmp_path) as house:
        yield house


class Quiet(TestHouse):
    """A house without an SMTP door."""

    def config(self) -> dict[str, Any]:
        whole = super().config()
        del whole["doors"]["smtp"]
        return whole


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[TestHouse]:
    people = {"ann": {"addresses": ["ann@example.org"], "may": ["*"], "unix": [LOGIN]}}
    with Quiet(tmp_path, people) as house:
        yield house


def running(house: TestHouse) -> Daemon:
    assert house.daemon is not None
    return house.daemon


def inner(house: TestHouse) -> House:
    inside = running(house).house
    assert inside is not None
    return inside


def break_journal(house: TestHouse) -> House:
    """The house that met a fault of its journal."""
    inside = inner(house)

    async def meet() -> None:
        inside.worker.trouble.set_result(StorageError("disk I/O error"))

    house.do(meet())
    return inside


def test_between_two_houses_nothing_is_taken_and_nothing_breaks(house: TestHouse) -> None:
    """A sender is asked to come again; what a door tells, or a file that changes, is let go."""
    kept = inner(house)

    async def tell() -> None:
        running(house).house = None
        await running(house).tell("imap", False, "no answer")
        running(house)._later(House.refresh)
        with pytest.raises(StorageError, match="the house is being reopened"):
            await Memory(lambda: None).get("uid")
        with pytest.raises(StorageError, match="the house is being reopened"):
            await Memory(lambda: None).put("uid", 1)

    house.do(tell())
    raw = house.carrier.text("+13035550123", "!uptime", house.clock.now())
    with pytest.raises(smtplib.SMTPDataError) as refused:
        house.send(raw, mail_from=house.carrier.envelope(house.address))
    assert refused.value.smtp_code == 451
    running(house).house = kept
    assert "door.imap" not in [c.name for c in house.do(kept.db.read(conditions.listing))]
    house.send(raw, mail_from=house.carrier.envelope(house.address))
    assert house.phone().reply.startswith("Elm Street up ")


async def test_a_first_configuration_that_cannot_be_served_ends_it(tmp_path: Path) -> None:
    """There is no former one to go on with."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        smtp = {"listen": listen, "recipients": ["cmd@home.example"]}
        path = tmp_path / "housecarl.yaml"
        path.write_text(yaml.safe_dump({"spool": "spool", "doors": {"smtp": smtp}}))
        with pytest.raises(Unreachable, match=listen):
            await Daemon(config_file.load(path), SystemClock()).run()


def test_a_house_without_smtp_is_opened_again_after_a_fault(
    quiet: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemons, "BACK_OFF", (0.01,))
    first = break_journal(quiet)
    quiet.until(lambda: running(quiet).house not in (first, None))
    quiet.drop("!uptime\n")
    assert quiet.inbox.wait(1)[0].text.startswith("Elm Street up ")


def test_a_stop_does_not_wait_for_a_house_that_cannot_be_opened(
    quiet: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[House] = []

    async def fail(house: House) -> None:
        tried.append(house)
        raise StorageError("disk I/O error")

    monkeypatch.setattr(daemons, "BACK_OFF", (0.0, 600.0))
    monkeypatch.setattr(House, "open", fail)
    break_journal(quiet)
    quiet.until(lambda: len(tried) == 1)
    quiet.stop()
    assert len(tried) == 1


def test_a_disk_that_stays_broken_ends_it_in_the_end(
    quiet: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd starts it again, and tells of it."""
    monkeypatch.setattr(daemons, "GIVE_UP_SECONDS", -1.0)
    break_journal(quiet)
    with pytest.raises(StorageError, match="disk I/O error"):
        quiet.stop()


def test_a_part_of_the_house_that_ends_is_a_fault(house: TestHouse) -> None:
    """Its own word is told when it had one; a mistake in our code is no fault of the disk."""
    inside = inner(house)

    async def part(error: Exception | None) -> None:
        if error is not None:
            raise error

    async def ended(error: Exception | None) -> StorageError:
        task = asyncio.create_task(part(error))
        inside._clocks.append(task)
        try:
            return await inside.trouble()
        finally:
            inside._clocks.remove(task)

    assert str(house.do(ended(None))) == "a part of the house ended"
    full = StorageError("No space left on device")
    assert house.do(ended(full)) is full
    with pytest.raises(ZeroDivisionError):
        house.do(ended(ZeroDivisionError()))


def test_a_stop_waits_for_no_module_that_is_just_being_read(tmp_path: Path) -> None:
    """What the news of a file had begun ends with the house, and nothing of it is left."""
    folder = tmp_path / "mine"
    folder.mkdir()
    with TestHouse(tmp_path, modules={"folders": [str(folder)]}) as house:
        daemon = running(house)
        (folder / "slow.py").write_text("import time\n\ntime.sleep(60)\n")
        house.until(lambda: bool(daemon._news))
        house.stop()

        async def left() -> set[str]:
            return {task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}}

        assert house.do(left()) == set()
