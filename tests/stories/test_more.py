"""The rest of a long answer waits for `!more`, and comes whole, in order, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.stories.talk import counted, module_folder, words

from housecarl.errors import StorageError
from housecarl.record import Record
from housecarl.testing.house import TestHouse
from housecarl.testing.phone import Phone

pytestmark = pytest.mark.long(after=2)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[TestHouse]:
    with TestHouse(tmp_path, modules=module_folder(tmp_path)) as house:
        yield house


def rest(phone: Phone) -> list[str]:
    """Every page that `!more` brings."""
    found: list[str] = []
    while not found or found[-1] != "That was all.":
        phone.text("!more")
        found.append(phone.reply)
    return found[:-1]


@pytest.mark.parametrize("message", ["!more", "!more\n!more"])
def test_asking_for_more_twice_in_one_message_is_asking_once(phone: Phone, message: str) -> None:
    phone.text("!count sheep")
    pages = [phone.reply]
    phone.text(message)
    pages += [phone.reply, *rest(phone)]
    assert words(pages) == counted("sheep")
    assert [page[-5:] for page in pages] == ["(1/4)", "(2/4)", "(3/4)", "(4/4)"]


@pytest.mark.parametrize("message", ["!more\n!help uptime", "!help uptime\n!more"])
def test_beside_another_command_more_loses_nothing(phone: Phone, message: str) -> None:
    phone.text("!count sheep")
    pages = [phone.reply]
    phone.text(message)
    pages += [phone.reply, *rest(phone)]
    said = words(pages)
    assert [word for word in said if word.startswith("sheep")] == counted("sheep")
    assert " ".join(said).count("uptime - Say how long the house has been up: uptime.") == 1


def test_two_messages_that_ask_for_more_at_once_get_a_page_each(
    phone: Phone, house: TestHouse
) -> None:
    phone.text("!count sheep")
    pages = [phone.reply]
    for _ in range(3):
        phone.text("!more")
    pages += [phone.reply for _ in range(3)]
    assert words(sorted(pages, key=lambda page: page[-5:])) == counted("sheep")


def test_a_message_that_is_delivered_twice_takes_one_page(phone: Phone, house: TestHouse) -> None:
    phone.text("!count sheep")
    pages = [phone.reply]
    carrier = house.carrier
    raw = carrier.text(phone.number, "!more", house.clock.now())
    for _ in range(2):
        house.send(raw, mail_from=carrier.envelope(house.address))
        house.settle()
    pages += [phone.reply, *rest(phone)]
    assert words(pages) == counted("sheep")


def test_a_page_whose_answer_could_not_be_written_down_comes_after_the_restart(
    phone: Phone, house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone.text("!count sheep")
    pages = [phone.reply]
    conclude, failed = Record.conclude, list[bool]()

    async def broken(self: Record, *args: Any, **more: Any) -> Any:
        if not failed:
            failed.append(True)
            raise StorageError("disk I/O error")
        return await conclude(self, *args, **more)

    monkeypatch.setattr(Record, "conclude", broken)
    phone.text("!more")
    pages += [phone.reply, *rest(phone)]
    assert failed
    assert words(pages) == counted("sheep")
