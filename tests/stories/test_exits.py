"""Code of a module that calls `sys.exit`, as argparse does: it fails, and the house goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.stories.talk import inside, pass_

from housecarl.journal import JOURNAL, connect, values
from housecarl.means import BACKGROUND
from housecarl.testing.clock import FakeClock
from housecarl.testing.house import TestHouse
from housecarl.testing.phone import Phone

pytestmark = pytest.mark.long(after=2)

MODULE = '''
"""All of it exits."""
import sys
from typing import Annotated

from pydantic import AfterValidator

from housecarl import Call, Finding, Regular, Reply, Risk, command


def leave(_: object) -> None:
    sys.exit(3)


def check(word: str) -> str:
    """Is tried with 0 when the file is read."""
    return word if word == "0" else sys.exit(3)


async def depart(_: Call) -> None:
    sys.exit(3)


@command(risk=leave)
async def risky(call: Call) -> Reply:
    """Risk it."""
    return Reply("risky.")


@command()
async def worded(call: Call, word: Annotated[str, AfterValidator(check)]) -> Reply:
    """Say a word."""
    return Reply("worded.")


@command(risk=Risk.DANGER, confirm=leave)
async def armed(call: Call) -> Reply:
    """Arm it."""
    return Reply("armed.")


@command(interrupted=depart)
async def spawned(call: Call) -> Reply:
    """Spawn it."""
    call.spawn(depart(call))
    return Reply("spawned.")


@command(regular=Regular(leave, depart))
async def unplanned(call: Call) -> Reply:
    """Plan nothing."""
    return Reply("unplanned.")


@command(regular=Regular(lambda _: 60, depart))
async def planned(call: Call) -> Reply:
    """Plan it."""
    return Reply("planned.")
'''


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestHouse]:
    folder: Path = tmp_path_factory.mktemp("house")
    (folder / "mine").mkdir()
    (folder / "mine" / "exits.py").write_text(MODULE)
    with TestHouse(folder, modules={"folders": [str(folder / "mine")]}, clock=FakeClock()) as house:
        yield house


@pytest.fixture
def phone(house: TestHouse) -> Iterator[Phone]:
    phone = house.phone()
    phone._read = len(house.inbox.to(phone.address))
    yield phone
    phone.text("!uptime")
    assert phone.reply.startswith("Elm Street up ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("!risky", "risky failed before it did anything."),
        ("!worded x", "worded: word cannot be checked, not x. Use: worded WORD"),
        ("!armed", "armed cannot be prepared. Nothing was done. Log "),
    ],
)
def test_what_is_asked_before_a_command_runs(phone: Phone, text: str, said: str) -> None:
    phone.text(text)
    assert phone.reply.startswith(said)


def test_what_goes_on_after_the_reply(phone: Phone) -> None:
    phone.text("!spawned")
    told = sorted([phone.reply, phone.reply])
    assert told[0].startswith("spawned failed. Log ") and told[1] == "spawned."


def test_what_is_asked_at_a_start(house: TestHouse, phone: Phone) -> None:
    phone.text("!uptime")  # so that the house knows how ann is reached
    assert phone.reply
    house.stop()
    words = ("address", "subject", "in_reply_to")
    note = {"person": "ann", "command": "spawned", "receipt": "7f3a", "references": "[]"}
    with closing(connect(house.spool / JOURNAL)) as conn:
        dead = {"pid": 999_999_999, "born": 1.0, **dict.fromkeys(words, "")}
        values.put(conn, BACKGROUND, "7f3a.1", note | dead, 1.0)
    house.start()
    assert phone.reply == "spawned was interrupted by a restart. Log 7f3a."


def test_what_is_done_regularly(house: TestHouse, phone: Phone) -> None:
    rounds, clock = inside(house).rounds, house.clock
    assert isinstance(clock, FakeClock)
    with capture_logs() as logs:
        pass_(house, clock, 60)
        house.until(lambda: rounds.asleep)
    failed = {each["command"] for each in logs if each["event"] == "regular-failed"}
    assert failed == {"planned", "unplanned"}
